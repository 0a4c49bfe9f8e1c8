/**
 * What the browser's own bars and keyboards leave of the screen.
 *
 * On iOS the keyboard covers the page without telling the layout; the visual viewport knows. The height is handed to
 * the style sheet as `--screen-height`.
 */

/** Keeps `--screen-height` up to date; returns what stops it. */
export function trackScreenHeight(): () => void {
  const viewport = window.visualViewport;
  if (viewport === null) return () => {};
  const update = () => {
    // A zoomed page has a small viewport, too; that one must not shrink the layout.
    const height = viewport.scale === 1 ? `${viewport.height}px` : '';
    document.documentElement.style.setProperty('--screen-height', height);
    // Safari scrolls the page up to show the focused field; the layout has made room for it already.
    if (viewport.scale === 1 && viewport.offsetTop > 0) window.scrollTo(0, 0);
  };
  update();
  viewport.addEventListener('resize', update);
  return () => viewport.removeEventListener('resize', update);
}
