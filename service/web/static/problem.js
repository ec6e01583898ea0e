/** What went wrong, in words for a person. */

export class Problem extends Error {
  /**
   * @param {number} status of HTTP; 0 where there was no answer.
   * @param {string} title
   * @param {string} detail
   * @param {string} code stable; empty where the service did not speak.
   */
  constructor(status, title, detail, code = "") {
    super(detail);
    Object.assign(this, { status, title, detail, code });
  }

  /** Whether the same request may succeed later: it was not refused, nor does it take too long. */
  get passing() {
    return this.status === 0 || this.status === 429 || (this.status >= 500 && this.code !== "deadline_exceeded");
  }
}

/** The problem of an answer, which is problem+json unless something between us answered. */
export async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const place = body.location ? ` (${body.location})` : "";
  return new Problem(
    response.status,
    body.title ?? `The service answered ${response.status}`,
    (body.detail ?? "Try again in a moment.") + place,
    body.code,
  );
}
