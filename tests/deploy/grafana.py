"""What Grafana does with a dashboard before it asks Prometheus."""

import json
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "deploy/grafana"
NAMES = ("fleet", "node")
# At a scrape a second, for the shortest step.
RATE_INTERVAL = "4s"
ALL = object()  # of a variable: "All" is chosen
REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::(\w+))?\})")
META = re.compile(r"[\\$^*{}\[\]'+?.()|]")


def load(name):
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def _one_or_any(texts):
    return texts[0] if len(texts) == 1 else f"({'|'.join(texts)})"


def _put_in(value, form, variable):
    """`value`: a text, a list of them, or ALL."""
    if value is ALL:
        return variable["allValue"]
    several = [value] if isinstance(value, str) else value
    expressions = [META.sub(r"\\\g<0>", text) for text in several]
    if form == "regex":
        return _one_or_any(expressions)
    if form is not None:
        raise ValueError(f"no query needs the format {form}")
    # The Prometheus data source's own: for a text of PromQL, in which the
    # backslash is special again. What has one value only is no expression.
    if variable.get("multi") or variable.get("includeAll"):
        return _one_or_any([text.replace("\\", "\\\\")
                            for text in expressions])
    return value.replace("\\", "\\\\").replace("'", "\\\\'")


def filled(text, dashboard, values):
    """With the values of its variables put in, in all the ways in which one can
    be named. A variable without a value is an error."""
    variables = {variable["name"]: variable
                 for variable in dashboard["templating"]["list"]}

    def put_in(found):
        name = found[1] or found[2]
        return _put_in(values[name], found[3], variables.get(name, {}))

    return REFERENCE.sub(put_in, text)


def panels(dashboard):
    """All that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def titles(panel):
    """A title for each of its targets."""
    several = len(panel["targets"]) > 1
    return [panel["title"] +
            (f" ({target['legendFormat']})" if several else "")
            for target in panel["targets"]]


def annotations(dashboard):
    """{name: expression}"""
    return {annotation["name"]: annotation["target"]["expr"]
            for annotation in dashboard["annotations"]["list"]}


def choices(prometheus, dashboard, name, values):
    """What a variable of kind label_values(METRIC, LABEL) offers."""
    query = next(variable["query"]["query"]
                 for variable in dashboard["templating"]["list"]
                 if variable["name"] == name)
    series, label = re.fullmatch(
        r"label_values\((.*), (\w+)\)",
        filled(query, dashboard, values)).groups()
    return prometheus.get(f"label/{label}/values", **{"match[]": series})
