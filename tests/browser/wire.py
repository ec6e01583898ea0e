"""What the page sends, by default to register shots, and answers that are late or lost."""

from typing import TypedDict

from tests.browser.playground import Playground

_SCRIPT = """
const send = window.fetch.bind(window);
const [path] = arguments;
const wire = window.wire = {sent: [], lost: [], waiting: null};
window.fetch = async (url, options) => {
  if (!String(url).endsWith(path)) return send(url, options);
  const place = wire.sent.push({
    key: options.headers['Idempotency-Key'] ?? '',
    images: options.body.getAll('images').length,
    mode: options.body.get('mode'),
    adapt: options.body.get('adapt'),
  });
  const answer = await send(url, options);
  if (wire.waiting) await new Promise((go) => wire.waiting.push(go));
  if (wire.lost.includes(place)) throw new TypeError('the answer was lost');
  return answer;
};
"""


class Sent(TypedDict):
    """A request, most likely to register shots."""

    key: str
    images: int
    mode: str
    adapt: str


class Wire:
    """Stands between a page and its service until the page is loaded again."""

    def __init__(self, page: Playground, path: str = "/support") -> None:
        self._page = page
        page.driver.execute_script(_SCRIPT, path)

    def hold(self) -> None:
        """Let answers wait."""
        self._page.driver.execute_script("wire.waiting = []")

    def held(self) -> None:
        """Wait for one that waits."""
        self._page.until(lambda: self._page.driver.execute_script("return wire.waiting.length"))

    def let_go(self) -> None:
        self._page.driver.execute_script(
            "const {waiting} = wire; wire.waiting = null; for (const go of waiting) go()"
        )

    def lose(self, *places: int) -> None:
        """The answers of these requests, counted from 1; the service has done what they ask."""
        self._page.driver.execute_script("wire.lost = arguments[0]", places)

    def sent(self) -> list[Sent]:
        sent: list[Sent] = self._page.driver.execute_script("return wire.sent")
        return sent


def go_offline(page: Playground, offline: bool) -> None:
    page.driver.execute_cdp_cmd("Network.enable", {})
    speed = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": offline, **speed})
