/** Puts the page together. */

import { Amending } from "./amending.js";
import { Api } from "./api.js";
import { ask } from "./ask.js";
import { Cards } from "./cards.js";
import { showClasses } from "./classes.js";
import { byId, count, debounced } from "./dom.js";
import { Editor } from "./editor.js";
import { offerRevival } from "./ended.js";
import { Finder } from "./finder.js";
import { askBeforeLeaving } from "./guard.js";
import { ignoreOtherDrops, takeFiles, takePasted } from "./intake.js";
import { askForKey } from "./key_dialog.js";
import { attempt, tell } from "./notices.js";
import { readPhoto } from "./photo.js";
import { sampleQueries, sampleShots, SAMPLE_CLASS } from "./sample.js";
import { Session } from "./session.js";
import { Shots } from "./shots.js";
import { offerFiles, save } from "./take.js";

const SETTLED_MS = 60;

const api = new Api(askForKey, (seconds) => tell(`The service is busy; asking again in ${seconds} s.`));
const session = new Session(api);
const finder = new Finder(session, (query) => isOnScreen(cards.elements.get(query)));
const editor = new Editor();
const shots = new Shots(session, editor);
const cards = new Cards(session, finder, editor);
const amending = new Amending(session, editor);
showClasses(session, amending, (name) => shots.addTo(name));
offerFiles(session, finder);
offerRevival(session);
askBeforeLeaving(() => editor.painted || shots.painted || amending.painted || finder.untaken || session.lost.some(({ shots: number }) => number > 0));

function isOnScreen(element) {
  const box = element?.getBoundingClientRect();
  return Boolean(box) && box.bottom > 0 && box.top < innerHeight;
}

async function addQueries(files) {
  for (const file of files) {
    const photo = await attempt(() => readPhoto(file));
    if (photo) finder.add(photo);
  }
}

takeFiles(byId("step-2"), byId("query-files"), addQueries);
// What is pasted before there is a class can only be there to show one.
takePasted((files) => (session.classes.length ? addQueries(files) : shots.add(files)));
ignoreOtherDrops();

const askAnew = debounced(SETTLED_MS, () => finder.refresh());

/** None: that of each class. */
function setThreshold(value) {
  finder.threshold = value;
  showThreshold();
  askAnew();
}

function tuneThreshold() {
  byId("threshold").addEventListener("input", ({ target }) => setThreshold(Number(target.value)));
  byId("threshold-reset").addEventListener("click", () => setThreshold(null));
}

function showThreshold() {
  const value = finder.threshold ?? Number(byId("threshold").dataset.own);
  byId("threshold").value = value;
  byId("threshold-value").textContent = finder.threshold === null ? "automatic" : value.toFixed(2);
  byId("threshold-reset").disabled = finder.threshold === null;
}

function tuneLook() {
  byId("opacity").addEventListener("input", ({ target }) => {
    document.documentElement.style.setProperty("--cover", target.value);
  });
  byId("keep-absent").addEventListener("change", ({ target }) => {
    finder.keepAbsent = target.checked;
    finder.refresh();
  });
}

async function trySample(button) {
  button.disabled = true;
  await attempt(async () => {
    const [supports, queries] = await Promise.all([sampleShots(), sampleQueries()]);
    if (!(await shots.fill(SAMPLE_CLASS, supports))) return;
    for (const photo of queries) finder.add(photo);
    byId("register").focus({ preventScroll: true });
  });
  button.disabled = false;
}

/** Whether the session may be left: a click is made sooner than classes are painted again. */
async function mayLeave(title, yes) {
  const { length } = session.classes;
  if (!length) return true;
  const text = `The page turns away from ${count(length, "class", "classes")} and from masks that were painted by hand.${session.id ? " Save the session as a file first if you may want the classes again." : ""}`;
  return ask({ title, text, yes, no: "Keep this" });
}

function offerSessions() {
  byId("save-session").addEventListener("click", () => attempt(async () => save(await session.exportArchive(), "session.fss")));
  byId("session-file").addEventListener("change", ({ target }) => attempt(async () => {
    const [file] = target.files;
    target.value = "";
    if (!file || !(await mayLeave("Load another session?", "Load it"))) return;
    await session.importArchive(file);
    tell("The session is loaded.");
    await session.recall();
  }));
  byId("new-session").addEventListener("click", async () => {
    if (await mayLeave("Begin a new session?", "Begin anew")) session.forget();
  });
  for (const button of byId("menu").querySelectorAll("button")) {
    button.addEventListener("click", () => byId("menu").hidePopover());
  }
  session.addEventListener("change", () => {
    byId("save-session").disabled = !session.id;
    byId("new-session").disabled = !session.id && !session.classes.length;
  });
}

async function start() {
  const { models } = await api.json("GET", "models");
  byId("model").textContent = models[0].model;
  byId("model").title = `Runs on ${Object.keys(models[0].devices).join(", ")}`;
  byId("threshold").dataset.own = models[0].threshold;
  showThreshold();
  await attempt(() => session.restore());
  document.documentElement.dataset.ready = "true";
  await session.recall();
}

for (const button of document.querySelectorAll(".try-sample")) {
  button.addEventListener("click", () => trySample(button));
}
tuneThreshold();
tuneLook();
offerSessions();
attempt(start);
