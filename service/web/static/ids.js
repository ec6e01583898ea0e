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

  /** What was sent and has no answer, the oldest first. @returns {Object[]} */
  get open() {
    return [...this.unanswered.values()].map(({ about }) => about);
  }

  /** What is asked again after a change would be another request, though the same words. */
  drop(stale) {
    for (const [place, { about }] of [...this.unanswered]) if (stale(about)) this.unanswered.delete(place);
  }

  /**
   * @param {Object} about plain, and equal for requests that are the same.
   * @param {(key: string) => Promise<any>} send
   */
  async once(about, send) {
    const place = JSON.stringify(about);
    const key = this.unanswered.get(place)?.key ?? newId();
    this.unanswered.set(place, { key, about });
    try {
      const answer = await send(key);
      this.unanswered.delete(place);
      return answer;
    } catch (problem) {
      // A refusal is an answer: nothing was changed.
      if (problem.status >= 400 && problem.status < 500) this.unanswered.delete(place);
      throw problem;
    }
  }
}
