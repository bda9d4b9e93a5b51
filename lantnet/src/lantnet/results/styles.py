"""How results look where they are opened: color tables inside the files, and QGIS styles (.qml) beside them."""

from pathlib import Path
from xml.sax.saxutils import quoteattr

from lantnet.results.maps import BRIGHTER, DARKER, UNCHANGED
from lantnet.results.pictures import BRIGHTER_COLOR, DARKER_COLOR

Color = tuple[int, int, int, int]
CHANGED_COLOR = (213, 94, 0)
CLASSES: dict[str, dict[int, tuple[str, Color]]] = {
    "mask": {UNCHANGED: ("unchanged", (0, 0, 0, 0)), 1: ("changed", (*CHANGED_COLOR, 255))},
    "direction": {
        UNCHANGED: ("unchanged", (0, 0, 0, 0)),
        BRIGHTER: ("brighter", (*BRIGHTER_COLOR, 255)),
        DARKER: ("darker", (*DARKER_COLOR, 255)),
    },
}
"""Names and colors of the classes of a map. Vermillion, orange and blue of Okabe and Ito."""
RAMP: list[tuple[float, Color]] = [(0.0, (0, 0, 0, 0)), (0.5, (240, 228, 66, 160)), (1.0, (*CHANGED_COLOR, 255))]
"""Of probabilities: transparent, yellow, vermillion."""


def write_styles(folder: Path) -> None:
    """A .qml for every map and for the polygons; QGIS loads the one that has the name of a file it opens."""
    for name, classes in CLASSES.items():
        (folder / f"{name}.qml").write_text(classes_style(classes), encoding="utf-8")
    (folder / "probability.qml").write_text(ramp_style(RAMP), encoding="utf-8")
    colors = {name: color for name, color in CLASSES["direction"].values() if color[3]}
    (folder / "changes.qml").write_text(polygons_style("direction", colors), encoding="utf-8")


def classes_style(classes: dict[int, tuple[str, Color]]) -> str:
    entries = "".join(
        f'<paletteEntry value="{value}" label={quoteattr(name)} color="{_hex(color)}" alpha="{color[3]}"/>'
        for value, (name, color) in classes.items()
    )
    return _raster("paletted", "", f"<colorPalette>{entries}</colorPalette>")


def ramp_style(ramp: list[tuple[float, Color]]) -> str:
    low, high = ramp[0][0], ramp[-1][0]
    items = "".join(
        f'<item value="{value:g}" label="{value:g}" color="{_hex(color)}" alpha="{color[3]}"/>' for value, color in ramp
    )
    return _raster(
        "singlebandpseudocolor",
        f'classificationMin="{low:g}" classificationMax="{high:g}"',
        '<rastershader><colorrampshader colorRampType="INTERPOLATED" classificationMode="1" clip="0" '
        f'minimumValue="{low:g}" maximumValue="{high:g}">{items}</colorrampshader></rastershader>',
    )


def polygons_style(attribute: str, colors: dict[str, Color]) -> str:
    """Polygons colored by an attribute, half transparent, outlined."""
    categories, symbols = "", ""
    for number, (value, color) in enumerate(colors.items()):
        rgb = ",".join(str(part) for part in color[:3])
        categories += f'<category symbol="{number}" value={quoteattr(value)} label={quoteattr(value)} render="true"/>'
        options = {"color": f"{rgb},110", "outline_color": f"{rgb},255", "outline_width": "0.4", "style": "solid"}
        listed = "".join(f'<Option name="{key}" value="{text}" type="QString"/>' for key, text in options.items())
        symbols += (
            f'<symbol name="{number}" type="fill" alpha="1"><layer class="SimpleFill" enabled="1" pass="0">'
            f'<Option type="Map">{listed}</Option></layer></symbol>'
        )
    return _document(
        f'<renderer-v2 type="categorizedSymbol" attr={quoteattr(attribute)}><categories>{categories}</categories>'
        f"<symbols>{symbols}</symbols></renderer-v2>"
    )


def _raster(kind: str, attributes: str, content: str) -> str:
    return _document(
        f'<pipe><rasterrenderer type="{kind}" band="1" opacity="1" alphaBand="-1" {attributes}>{content}'
        "</rasterrenderer></pipe><blendMode>0</blendMode>"
    )


def _document(content: str) -> str:
    head = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>"
    return f'{head}\n<qgis version="3.28" styleCategories="Symbology">{content}</qgis>\n'


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color[:3])
