// Pictures that no chart library has (probe, template, matrix): a canvas with two axes.
function niceTicks(low, high, wanted, areWhole = false) {
  const rough = (high - low) / Math.max(1, wanted);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(areWhole ? 1 : 0, [1, 2, 5, 10].map(factor => factor * power).find(candidate => candidate >= rough * 0.999));
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

class Plot {
  // left … bottom: room for axes in CSS pixels; x, y: ranges of the data.
  constructor(canvas, { x, y, left = 54, right = 10, top = 8, bottom = 34, xLabel = "", yLabel = "" }) {
    const ratio = window.devicePixelRatio || 1;
    this.canvas = canvas;
    this.width = canvas.clientWidth || 300;
    this.height = canvas.clientHeight || 200;
    canvas.width = Math.round(this.width * ratio);
    canvas.height = Math.round(this.height * ratio);
    this.pen = canvas.getContext("2d");
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.pen.clearRect(0, 0, this.width, this.height);
    this.pen.font = "11px system-ui, sans-serif";
    Object.assign(this, { x, y, left, top, xLabel, yLabel, right: this.width - right, bottom: this.height - bottom });
  }

  px(value) { return this.left + (value - this.x[0]) / (this.x[1] - this.x[0]) * (this.right - this.left); }
  py(value) { return this.bottom - (value - this.y[0]) / (this.y[1] - this.y[0]) * (this.bottom - this.top); }
  atX(pixel) { return this.x[0] + (pixel - this.left) / (this.right - this.left) * (this.x[1] - this.x[0]); }
  atY(pixel) { return this.y[0] + (this.bottom - pixel) / (this.bottom - this.top) * (this.y[1] - this.y[0]); }

  // Equal scales on both axes: grow the range that has room.
  keepAspect() {
    const perX = (this.x[1] - this.x[0]) / (this.right - this.left), perY = (this.y[1] - this.y[0]) / (this.bottom - this.top);
    const grow = (range, factor) => {
      const middle = (range[0] + range[1]) / 2, half = (range[1] - range[0]) / 2 * factor;
      return [middle - half, middle + half];
    };
    if (perX < perY) this.x = grow(this.x, perY / perX); else this.y = grow(this.y, perX / perY);
    return this;
  }

  axes() {
    const pen = this.pen;
    pen.strokeStyle = color("line"); pen.lineWidth = 1; pen.fillStyle = color("soft");
    pen.beginPath();
    pen.moveTo(this.left + 0.5, this.top); pen.lineTo(this.left + 0.5, this.bottom + 0.5); pen.lineTo(this.right, this.bottom + 0.5);
    pen.stroke();
    pen.textAlign = "center"; pen.textBaseline = "top";
    for (const tick of niceTicks(...this.x, (this.right - this.left) / 65)) {
      const at = Math.round(this.px(tick)) + 0.5;
      pen.beginPath(); pen.moveTo(at, this.bottom); pen.lineTo(at, this.bottom + 4); pen.stroke();
      pen.fillText(format(tick), at, this.bottom + 6);
    }
    pen.textAlign = "right"; pen.textBaseline = "middle";
    for (const tick of niceTicks(...this.y, (this.bottom - this.top) / 40)) {
      const at = Math.round(this.py(tick)) + 0.5;
      pen.beginPath(); pen.moveTo(this.left - 4, at); pen.lineTo(this.left, at); pen.stroke();
      pen.fillText(format(tick), this.left - 6, at);
    }
    pen.textAlign = "center"; pen.textBaseline = "bottom";
    pen.fillText(this.xLabel, (this.left + this.right) / 2, this.height - 1);
    if (this.yLabel) {
      pen.save(); pen.translate(9, (this.top + this.bottom) / 2); pen.rotate(-Math.PI / 2); pen.textBaseline = "middle";
      pen.fillText(this.yLabel, 0, 0); pen.restore();
    }
    return this;
  }

  // Where a place is drawn: within the frame, and by which side it lies outside ("" where it does not).
  held(x, y, margin = 6) {
    const atX = this.px(x), atY = this.py(y);
    const side = atX < this.left ? "left" : atX > this.right ? "right" : atY < this.top ? "up" : atY > this.bottom ? "down" : "";
    return { x: Math.min(Math.max(atX, this.left + margin), this.right - margin), y: Math.min(Math.max(atY, this.top + margin), this.bottom - margin), side };
  }

  dot(x, y, radius, fill, edge) {
    const pen = this.pen;
    pen.beginPath(); pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fillStyle = fill; pen.fill();
    if (edge) { pen.strokeStyle = edge; pen.lineWidth = radius > 5 ? 2 : 0.8; pen.stroke(); }
  }

  // A triangle that points to where the thing is, beyond the frame.
  pointer({ x, y, side }, radius, fill, edge) {
    const pen = this.pen, turn = { left: Math.PI, right: 0, up: -Math.PI / 2, down: Math.PI / 2 }[side];
    pen.beginPath();
    for (const angle of [0, 2.4, -2.4]) pen.lineTo(x + radius * Math.cos(turn + angle), y + radius * Math.sin(turn + angle));
    pen.closePath();
    pen.fillStyle = fill; pen.fill();
    pen.strokeStyle = edge; pen.lineWidth = 1; pen.stroke();
  }

  note(text, x = (this.left + this.right) / 2, y = (this.top + this.bottom) / 2, align = "center") {
    this.pen.fillStyle = color("soft"); this.pen.textAlign = align; this.pen.textBaseline = "middle";
    this.pen.fillText(text, x, y);
  }
}

function absent(canvas, text) { new Plot(canvas, { x: [0, 1], y: [0, 1] }).note(text); }

function rangeOf(values, margin = 0.03) {
  let low = Infinity, high = -Infinity;
  for (const value of values) if (Number.isFinite(value)) { if (value < low) low = value; if (value > high) high = value; }
  if (low > high) return [0, 1];
  const room = (high - low) * margin || Math.abs(high) * margin || 0.5;
  return [low - room, high + room];
}

function quantile(sorted, share) { return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]; }
const finiteSorted = values => Float64Array.from(values).filter(Number.isFinite).sort();
