"""A chart of horizontal bars as SVG: a row per name, a column per quantity. Reads on light and dark pages."""
import dataclasses
import math
from collections.abc import Callable
from xml.sax.saxutils import escape

NAME_WIDTH, COLUMN_WIDTH, GAP = 110, 150, 16
ROW, BAR, HEAD = 22, 12, 34
TEXT_WIDTH = 58  # of a value beside its bar


@dataclasses.dataclass
class Column:
    title: str
    values: dict[str, float]
    text: Callable[[float], str]
    logarithmic: bool = False

    def share(self, name: str) -> float:
        """Of the longest bar."""
        most = max(self.values.values())
        if not self.logarithmic:
            return self.values[name] / most if most > 0 else 0.0
        least = min(self.values.values())
        span = math.log(most / least) or 1.0
        return 0.05 + 0.95 * math.log(self.values[name] / least) / span


def text(x: float, y: float, content: str, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-weight="{weight}">{escape(content)}</text>'


def chart(names: list[str], columns: list[Column]) -> str:
    width = NAME_WIDTH + len(columns) * (COLUMN_WIDTH + GAP) + GAP
    height = HEAD + len(names) * ROW + 12
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
             'font-family="system-ui, sans-serif" font-size="12" fill="#24292f">',
             f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>']
    for row, name in enumerate(names):
        y = HEAD + row * ROW
        if row % 2 == 0:
            parts.append(f'<rect x="0" y="{y}" width="{width}" height="{ROW}" fill="#f3f5f8"/>')
        parts.append(text(NAME_WIDTH, y + 15, name, anchor="end"))
    for index, column in enumerate(columns):
        x = NAME_WIDTH + GAP + index * (COLUMN_WIDTH + GAP)
        parts.append(text(x, HEAD - 12, column.title, weight="600"))
        for row, name in enumerate(names):
            y = HEAD + row * ROW
            length = max(1.0, column.share(name) * (COLUMN_WIDTH - TEXT_WIDTH))
            parts.append(f'<rect x="{x}" y="{y + (ROW - BAR) / 2:.0f}" width="{length:.1f}" height="{BAR}" rx="2" fill="#3b76b8"/>')
            parts.append(text(x + length + 5, y + 15, column.text(column.values[name])))
    return "\n".join([*parts, "</svg>"]) + "\n"
