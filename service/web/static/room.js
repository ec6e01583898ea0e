/** How much a request to register shots carries: more of them go one after the other. */

const FILES = 16;
// Less than services take as they are shipped: boundaries and fields come on top.
const BYTES = 60 * 2 ** 20;

export class Room {
  constructor() {
    Object.assign(this, { files: FILES, bytes: BYTES });
  }

  /** Whether some shots go together. */
  holds(shots) {
    return shots.length <= this.files && weight(shots) <= this.bytes;
  }

  /** As many of some shots as go together; one goes in any case, and the service may say no. */
  first(shots) {
    let number = Math.min(shots.length, this.files);
    while (number > 1 && weight(shots.slice(0, number)) > this.bytes) number--;
    return shots.slice(0, number);
  }

  /** The service has less room than was thought. @param {import("./problem.js").Problem} problem */
  refused(shots, problem) {
    if (problem.status !== 413 || shots.length < 2) return;
    if (problem.code === "too_many_files") this.files = shots.length - 1;
    else this.bytes = weight(shots) - 1;
  }
}

// Of a mask that is not a file yet little is known, but that it is small beside its photograph.
const weight = (shots) => shots.reduce((sum, { photo, png }) => sum + photo.file.size + (png?.size ?? 0), 0);
