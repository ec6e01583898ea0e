/** Lets the browser ask before the tab is closed or loaded again. */

/** @param {() => boolean} wouldLose whether something would be lost that only this tab has. */
export function askBeforeLeaving(wouldLose) {
  addEventListener("beforeunload", (event) => {
    if (!wouldLose()) return;
    event.preventDefault();
    event.returnValue = true; // what browsers of 2023 look at
  });
}
