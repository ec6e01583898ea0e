/** What is sent to register shots, one request after the other. */

/**
 * A shot as it goes up.
 * @typedef {{photo: import("./photo.js").Photo, rle: Object, png: Blob}} UploadShot
 *
 * @typedef {{fields: Object, some: UploadShot[], joined: boolean}} SupportRequest
 *     joined: with the shots that the class has, which are sent again.
 */

/**
 * The next request. One whose answer was lost comes first and as it was, whatever shots have been
 * added since: otherwise the service would not know it again.
 * @param {import("./session.js").Session} session
 * @param {UploadShot[]} rest shots that are still to be sent.
 * @param {{adapt: "auto"|"true"|"false"|null, replace: boolean, begun: boolean}} how `adapt` null: as
 *     the class was fitted; `begun`: something of the same registration has been sent already.
 * @returns {SupportRequest}
 */
export function nextRequest(session, name, rest, how) {
  return lost(session, name, rest, how) ?? joined(session, name, rest, how) ?? parcel(session, name, rest, how);
}

function lost(session, name, rest, { adapt, replace }) {
  const held = session.find(name)?.held ?? [];
  for (const asked of session.keys.open) {
    const { class_name, mode, session_id } = asked.fields;
    const anew = mode === "replace";
    if (class_name !== name || asked.adapt !== adapt || (session_id ?? null) !== session.id || (replace && !anew)) continue;
    const joins = anew && !replace;
    const some = among(joins ? [...held.filter(Boolean), ...rest] : rest, asked.files);
    // Shots that the class has must not go with it.
    if (some && (!joins || held.every((shot) => some.includes(shot)))) return { fields: asked.fields, some, joined: joins };
  }
  return null;
}

/** All shots of a class at once: a fit to them is better than one to those that are added. */
function joined(session, name, rest, { adapt, replace }) {
  const known = session.find(name);
  if (!known?.kept || replace || session.obstacle([...known.held, ...rest])) return null;
  const fields = { class_name: name, adapt: adapt ?? known.adapt, mode: "replace", session_id: session.id };
  return { fields, some: [...known.held, ...rest], joined: true };
}

function parcel(session, name, rest, { adapt, replace, begun }) {
  const fitted = session.find(name)?.adapted && !replace;
  // A fit to the shots that are added would take the place of one to all the others.
  const fit = adapt === null || begun || (adapt === "auto" && fitted) ? "false" : adapt;
  const fields = { class_name: name, adapt: fit, mode: replace && !begun ? "replace" : "append" };
  if (session.id) fields.session_id = session.id;
  return { fields, some: session.room.first(rest), joined: false };
}

/** Equal for shots of which the same would be sent. */
export const told = ({ photo: { name, file }, rle }) => JSON.stringify([name, file.size, file.lastModified, rle]);

/** The shots of some files, in their order; null where one of them is missing. */
function among(shots, files) {
  const left = [...shots];
  const found = files.map((file) => {
    const place = left.findIndex((shot) => told(shot) === file);
    return place < 0 ? null : left.splice(place, 1)[0];
  });
  return found.includes(null) ? null : found;
}

/** The body of a request. */
export function supportForm({ fields, some }) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  for (const { photo, png } of some) {
    form.append("images", photo.file, "image");
    form.append("masks", png, "mask.png");
  }
  return form;
}

/**
 * The shots of a class after some were added at its end; null for each that the page does not know.
 * @param {(UploadShot|null)[]} held
 * @param {number} number of shots that the class has now.
 */
export function withAdded(held, added, number) {
  const earlier = number - added.length;
  // Somebody else has changed the class, or a lost answer came late: which are where is not told.
  if (earlier < held.length) return Array(number).fill(null);
  return [...held, ...Array(earlier - held.length).fill(null), ...added];
}
