// The matrix of template similarity.
let similarityOrder = null, similarityPicture = null, similarityPlot = null;

function drawSimilarity() {
  const canvas = byId("similarity");
  if (!DATA.similarity) return absent(canvas, "template_similarity was not computed");
  const n = numUnits, depth = i => Number.isFinite(unitY(i)) ? unitY(i) : -Infinity;
  similarityOrder ??= [...allUnits].sort((a, b) => depth(b) - depth(a) || a - b);
  similarityPicture ??= paintSimilarity(unpack(DATA.similarity), n);
  const plot = similarityPlot = new Plot(canvas, { x: [0, n], y: [n, 0], left: 8, bottom: 34 });
  const side = Math.min(plot.right - plot.left, plot.bottom - plot.top);
  plot.right = plot.left + side; plot.bottom = plot.top + side;
  plot.pen.imageSmoothingEnabled = false;
  plot.pen.drawImage(similarityPicture, plot.left, plot.top, side, side);
  const bar = { left: plot.left, width: Math.min(160, side), top: plot.bottom + 8 };
  for (let i = 0; i < bar.width; i++) { plot.pen.fillStyle = viridis(i / bar.width); plot.pen.fillRect(bar.left + i, bar.top, 1.5, 8); }
  plot.note("0", bar.left, bar.top + 16, "left");
  plot.note("1", bar.left + bar.width, bar.top + 16, "right");
  if (selectedUnit !== null) {
    const at = similarityOrder.indexOf(selectedUnit), half = side / n / 2;
    plot.pen.strokeStyle = color("second"); plot.pen.lineWidth = 1.5;
    plot.pen.strokeRect(plot.left, plot.py(at + 0.5) - half, side, Math.max(2, 2 * half));
  }
}

function paintSimilarity(values, n) {
  const picture = document.createElement("canvas");
  picture.width = picture.height = n;
  const pen = picture.getContext("2d"), image = pen.createImageData(n, n), pixels = new Uint32Array(image.data.buffer);
  const shades = Uint32Array.from({ length: 256 }, (_, i) => {
    const [red, green, blue] = mix(VIRIDIS, i / 255);
    return (255 << 24 | blue << 16 | green << 8 | red) >>> 0;
  });
  for (let row = 0; row < n; row++) for (let column = 0; column < n; column++)
    pixels[row * n + column] = shades[values[similarityOrder[row] * n + similarityOrder[column]]];
  pen.putImageData(image, 0, 0);
  return picture;
}

function pairAt(event) {
  const plot = similarityPlot;
  if (!plot) return null;
  const box = plot.canvas.getBoundingClientRect();
  const column = Math.floor(plot.atX(event.clientX - box.left)), row = Math.floor(plot.atY(event.clientY - box.top));
  if (Math.min(row, column) < 0 || Math.max(row, column) >= numUnits) return null;
  return [similarityOrder[row], similarityOrder[column]];
}

function startSimilarity() {
  const canvas = byId("similarity");
  canvas.addEventListener("click", event => {
    const pair = pairAt(event);
    if (!pair) return;
    selectUnit(pair[0], true);
    if (pair[0] !== pair[1]) compareWith(pair[1]);
  });
  canvas.addEventListener("mousemove", event => {
    const pair = pairAt(event);
    showTooltip(pair && `${idOf(pair[0])} and ${idOf(pair[1])}: ${format(similarityOf(...pair))}`, event);
  });
  canvas.addEventListener("mouseleave", () => showTooltip(null));
}
