"""Draws a dashboard's panels as SVG, from what Prometheus answered."""

import html
import math

COLUMN, ROW = 52, 30  # pixels of Grafana's grid
COLOURS = ("#3274d9", "#e0752d", "#56a64b", "#e02f44", "#8f3bb8", "#f2cc0c",
           "#1f78c1", "#705da0", "#508642", "#cca300")
MOST_LEGENDS = 9


def number_text(value, unit):
    """As Grafana writes it, more or less."""
    if not math.isfinite(value):
        return "more"
    if unit == "percentunit":
        return f"{value * 100:.1f} %"
    if unit == "s" and 0 < abs(value) < 1:
        return f"{value * 1e3:.3g} ms"
    base, names = 1000, ("", " K", " M", " G", " T")
    if unit in ("bytes", "Bps"):
        base, names = 1024, (" B", " KiB", " MiB", " GiB", " TiB")
    power = 0
    while abs(value) >= base and power < len(names) - 1:
        value /= base
        power += 1
    return f"{value:.3g}{names[power]}" + {"Bps": "/s", "s": " s"}.get(unit, "")


class Panel:
    """`answers`: for each target [(legend, [(time, value)])]; `span`: first
    and last time."""

    def __init__(self, panel, answers, span):
        self._panel = panel
        self._series = [series for answer in answers for series in answer]
        self._span = span
        place = panel["gridPos"]
        self._x, self._y = place["x"] * COLUMN, place["y"] * ROW
        self._width, self._height = place["w"] * COLUMN, place["h"] * ROW
        self._defaults = panel.get("fieldConfig", {}).get("defaults", {})
        self._unit = self._defaults.get("unit", "short")
        self._out = []

    def draw(self):
        kind = self._panel["type"]
        if kind == "row":
            self._text(6, 20, self._panel["title"], 15, "#222", "bold")
        else:
            self._out.append(
                f'<rect x="{self._x + 2}" y="{self._y + 2}" width='
                f'"{self._width - 4}" height="{self._height - 4}" rx="3" '
                'fill="#fff" stroke="#ddd"/>')
            self._text(10, 19, self._panel["title"], 12, "#222", "bold")
            if self._series:
                {"stat": self._stat, "timeseries": self._lines,
                 "bargauge": self._bars, "heatmap": self._heat}[kind]()
            else:
                self._text(12, self._height * 0.7, self._defaults.get(
                    "noValue", "No data"), 12)
        return "\n".join(self._out)

    def _text(self, x, y, text, size=10, colour="#555", weight="normal"):
        self._out.append(
            f'<text x="{self._x + x:.1f}" y="{self._y + y:.1f}" font-size='
            f'"{size}" fill="{colour}" font-weight="{weight}">'
            f"{html.escape(text)}</text>")

    def _stat(self):
        value = self._series[0][1][-1][1]
        self._text(12, self._height * 0.7, number_text(value, self._unit), 26,
                   "#1a7f37")

    def _bars(self):
        for i, (legend, points) in enumerate(self._series):
            y, value = 34 + i * 30, points[-1][1]
            length = min(max(value, 0), 1) * (self._width - 220)
            colour = "#56a64b" if value < 0.05 else "#e0752d"
            self._out.append(
                f'<rect x="{self._x + 110}" y="{self._y + y}" width='
                f'"{max(length, 1):.1f}" height="20" fill="{colour}"/>')
            self._text(12, y + 14, legend)
            self._text(120 + length, y + 14, number_text(value, self._unit))

    def _at(self, time, fraction):
        first, last = self._span
        left, right, top, bottom = 52, 176, 30, 16
        x = left + (time - first) / (last - first) * (
            self._width - left - right)
        y = self._height - bottom - fraction * (self._height - top - bottom)
        return x, y

    def _lines(self):
        custom = self._defaults.get("custom", {})
        stacked = custom.get("stacking", {}).get("mode") == "normal"
        # What is nothing all the time is said by its absence.
        shown = [(legend, points) for legend, points in self._series
                 if any(value > 0 for _, value in points)]
        shown.sort(key=lambda series: -series[1][-1][1])
        below, curves = {}, []
        for legend, points in shown:
            points = [(time, value + (below.get(time, 0) if stacked else 0))
                      for time, value in points]
            below.update(points)
            curves.append((legend, points))
        highest = max((value for _, points in curves for _, value in points),
                      default=0) or 1
        for fraction in (0, 0.5, 1):
            x, y = self._at(self._span[0], fraction)
            end, _ = self._at(self._span[1], fraction)
            self._out.append(
                f'<line x1="{self._x + x}" y1="{self._y + y}" x2='
                f'"{self._x + end}" y2="{self._y + y}" stroke="#eee"/>')
            self._text(6, y + 3, number_text(highest * fraction, self._unit), 9)
        for i, (legend, points) in enumerate(curves):
            colour = COLOURS[i % len(COLOURS)]
            path = " ".join(
                f"{self._x + x:.1f},{self._y + y:.1f}" for x, y in
                (self._at(time, value / highest) for time, value in points))
            self._out.append(f'<polyline points="{path}" fill="none" stroke='
                             f'"{colour}" stroke-width="1.5"/>')
            if i < MOST_LEGENDS:
                self._text(self._width - 168, 36 + i * 19, "■", 11, colour)
                self._text(self._width - 154, 36 + i * 19, legend[:26])
        if len(curves) > MOST_LEGENDS:
            self._text(self._width - 154, 36 + MOST_LEGENDS * 19,
                       f"and {len(curves) - MOST_LEGENDS} more")

    def _heat(self):
        """Buckets that end higher stand higher; each takes what is not in the
        one below."""
        buckets = sorted(((float(legend), dict(points)) for legend, points
                          in self._series))
        cells, below = [], {}
        for i, (_, counts) in enumerate(buckets):
            cells += [(time, i, count - below.get(time, 0))
                      for time, count in counts.items()]
            below = counts
        most = max((count for _, _, count in cells), default=0) or 1
        step = (self._width - 228) / max(len(below), 1)
        for time, i, count in cells:
            if count <= 0:
                continue
            x, y = self._at(time, (i + 1) / len(buckets))
            height = (self._height - 46) / len(buckets)
            self._out.append(
                f'<rect x="{self._x + x:.1f}" y="{self._y + y:.1f}" width='
                f'"{step:.1f}" height="{height:.1f}" fill="#d9480f" '
                f'fill-opacity="{0.15 + 0.85 * count / most:.2f}"/>')
        for i, (bound, _) in enumerate(buckets):
            if i % 3 == 0:
                _, y = self._at(self._span[0], (i + 0.5) / len(buckets))
                self._text(6, y + 3, number_text(bound, self._unit), 9)


def document(panels, height):
    """The SVG of all of them; `height` in rows of the grid."""
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{24 * COLUMN}" '
            f'height="{height * ROW}" font-family="sans-serif">\n'
            '<rect width="100%" height="100%" fill="#f4f5f5"/>\n' +
            "\n".join(panels) + "\n</svg>\n")
