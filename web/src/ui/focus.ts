/**
 * Gives the keyboard the first of these that is still there. Only when it has nothing: what had the
 * focus was removed, moved or disabled, and the browser fell back to the page.
 */
export function focusUnlessElsewhere(...wanted: (Element | null | undefined)[]): void {
  for (const element of wanted) {
    const { activeElement } = document;
    if (activeElement && activeElement !== document.body) return;
    if (element instanceof HTMLElement && element.isConnected) element.focus();
  }
}
