/** Where a photograph lies on the screen: screen = photograph * scale + offset. */

const CLOSEST = 32;
const MARGIN = 16;
// Less than the margin, so that all of a picture that was fitted is in view.
const EDGE = 12;

export class Viewport {
  /** @param {{width: number, height: number}} photo */
  constructor(photo) {
    Object.assign(this, { photo, width: 1, height: 1, scale: 1, x: 0, y: 0, fitted: true });
  }

  /** The screen's size has changed, in CSS pixels. */
  resize(width, height) {
    Object.assign(this, { width, height });
    if (this.fitted) this.fit();
  }

  /** All of the photograph, in the middle. */
  fit() {
    const room = [this.width - 2 * MARGIN, this.height - 2 * MARGIN];
    this.scale = Math.max(0.001, Math.min(room[0] / this.photo.width, room[1] / this.photo.height));
    this.least = this.scale / 2;
    this.x = (this.width - this.photo.width * this.scale) / 2;
    this.y = (this.height - this.photo.height * this.scale) / 2;
    this.fitted = true;
  }

  /** Closer by a factor, with a point of the screen kept where it is. */
  zoom(factor, [x, y] = [this.width / 2, this.height / 2]) {
    const scale = Math.min(CLOSEST, Math.max(this.least, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
  }

  /** Just so far that a point of the photograph is in view. */
  reveal(point) {
    const [x, y] = this.toScreen(point);
    const dx = within(x, EDGE, this.width - EDGE) - x;
    const dy = within(y, EDGE, this.height - EDGE) - y;
    if (dx || dy) this.pan(dx, dy);
  }

  /** The nearest point that lies on the photograph. */
  inside([x, y]) {
    return [within(x, 0, this.photo.width), within(y, 0, this.photo.height)];
  }

  /** The point of the photograph under one of the screen. */
  toPhoto([x, y]) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  toScreen([x, y]) {
    return [x * this.scale + this.x, y * this.scale + this.y];
  }
}

const within = (value, least, most) => Math.min(most, Math.max(least, value));
