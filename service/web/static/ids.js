/** Random ids: of sessions, and of requests that may have to be sent twice. */

/** As the service makes them: 24 random bytes that nobody can guess. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}

/** Keys of changes: one whose answer was lost is sent again by the same, and so made once. */
export class RequestKeys {
  constructor() {
    this.unanswered = new Map();
  }

  /**
   * @param {string} about equal for requests that are the same.
   * @param {(key: string) => Promise<any>} send
   */
  async once(about, send) {
    const key = this.unanswered.get(about) ?? newId();
    this.unanswered.set(about, key);
    try {
      const answer = await send(key);
      this.unanswered.delete(about);
      return answer;
    } catch (problem) {
      // A refusal is an answer: nothing was changed.
      if (problem.status >= 400 && problem.status < 500) this.unanswered.delete(about);
      throw problem;
    }
  }
}
