/** What was done, and what was taken back and can be done again. */

export class History {
  constructor() {
    this.done = [];
    this.undone = [];
  }

  add(action) {
    this.done.push(action);
    this.undone = [];
  }

  undo() {
    if (this.done.length) this.undone.push(this.done.pop());
  }

  redo() {
    if (this.undone.length) this.done.push(this.undone.pop());
  }
}
