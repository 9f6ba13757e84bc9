// Azurite takes a second SIGTERM, or SIGINT, for a kill, and loses what it has not saved. The kernel
// may send several when a killed `make run` had threads (prctl(2), PR_SET_PDEATHSIG): one for each.
for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => {});
