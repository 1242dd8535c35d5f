// Small canvas plots: axes, points, lines, bars, pictures; colours come from the style sheet.
const VIRIDIS = [[68, 1, 84], [72, 26, 108], [71, 47, 125], [65, 68, 135], [57, 86, 140], [49, 104, 142], [42, 120, 142],
  [35, 136, 142], [31, 152, 139], [34, 168, 132], [53, 183, 121], [84, 197, 104], [122, 209, 81], [165, 219, 54],
  [210, 226, 27], [253, 231, 37]];

function mix(stops, share) {
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  return stops[low].map((value, i) => Math.round(value + (stops[low + 1][i] - value) * (place - low)));
}
const css = rgb => `rgb(${rgb[0]},${rgb[1]},${rgb[2]})`;
const viridis = share => css(mix(VIRIDIS, share));

// Asking the style sheet is slow, so each colour is asked for once a theme.
const palette = new Map();
function color(name) {
  if (!palette.has(name)) palette.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return palette.get(name);
}
function rgbOf(name) {
  const hex = color(name).slice(1);
  return [0, 2, 4].map(i => parseInt(hex.slice(i, i + 2), 16));
}

function niceTicks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(candidate => candidate >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

class Plot {
  // box: room for axes in CSS pixels; x, y: ranges of the data.
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

  axes({ xTicks = true, yTicks = true } = {}) {
    const pen = this.pen;
    pen.strokeStyle = color("line"); pen.lineWidth = 1; pen.fillStyle = color("soft");
    pen.beginPath();
    pen.moveTo(this.left + 0.5, this.top); pen.lineTo(this.left + 0.5, this.bottom + 0.5); pen.lineTo(this.right, this.bottom + 0.5);
    pen.stroke();
    if (xTicks) {
      pen.textAlign = "center"; pen.textBaseline = "top";
      const ticks = Array.isArray(xTicks) ? xTicks : niceTicks(...this.x, (this.right - this.left) / 65);
      for (const tick of ticks) {
        const at = Math.round(this.px(tick)) + 0.5;
        pen.beginPath(); pen.moveTo(at, this.bottom); pen.lineTo(at, this.bottom + 4); pen.stroke();
        pen.fillText(format(tick), at, this.bottom + 6);
      }
    }
    if (yTicks) {
      pen.textAlign = "right"; pen.textBaseline = "middle";
      for (const tick of niceTicks(...this.y, (this.bottom - this.top) / 40)) {
        const at = Math.round(this.py(tick)) + 0.5;
        pen.beginPath(); pen.moveTo(this.left - 4, at); pen.lineTo(this.left, at); pen.stroke();
        pen.fillText(format(tick), this.left - 6, at);
      }
    }
    pen.textAlign = "center"; pen.textBaseline = "bottom";
    pen.fillText(this.xLabel, (this.left + this.right) / 2, this.height - 1);
    if (this.yLabel) {
      pen.save(); pen.translate(9, (this.top + this.bottom) / 2); pen.rotate(-Math.PI / 2); pen.textBaseline = "middle";
      pen.fillText(this.yLabel, 0, 0); pen.restore();
    }
    return this;
  }

  bars(edges, counts, fill) {
    this.pen.fillStyle = fill;
    for (let i = 0; i < counts.length; i++) {
      const from = this.px(edges[i]), to = this.px(edges[i + 1]), at = this.py(counts[i]);
      if (counts[i]) this.pen.fillRect(from, at, Math.max(0.7, to - from - (to - from > 4 ? 1 : 0)), this.py(0) - at);
    }
  }

  line(xs, ys, stroke, width = 1.5, alpha = 1) {
    const pen = this.pen;
    pen.strokeStyle = stroke; pen.lineWidth = width; pen.globalAlpha = alpha; pen.lineJoin = "round";
    pen.beginPath();
    for (let i = 0; i < ys.length; i++) pen.lineTo(this.px(xs[i]), this.py(ys[i]));
    pen.stroke();
    pen.globalAlpha = 1;
  }

  vertical(value, stroke, dash = [4, 3]) {
    const pen = this.pen, at = this.px(value);
    if (at < this.left || at > this.right) return;
    pen.save(); pen.strokeStyle = stroke; pen.lineWidth = 1.5; pen.setLineDash(dash);
    pen.beginPath(); pen.moveTo(at, this.top); pen.lineTo(at, this.bottom); pen.stroke(); pen.restore();
  }

  dot(x, y, radius, fill, edge) {
    const pen = this.pen;
    pen.beginPath(); pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fillStyle = fill; pen.fill();
    if (edge) { pen.strokeStyle = edge; pen.lineWidth = radius > 5 ? 2 : 0.8; pen.stroke(); }
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
