"""The local Functions host: serves `function_app.app` as Azure Functions does (docs: design 4)."""
