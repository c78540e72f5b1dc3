"""What a Grafana dashboard is made of, with Pageferry's habits: each panel has
a title, a description and a unit, and stands next to the one before it. A
panel that is empty while all is well says so with `noValue`."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24


class Layout:
    """Puts panels side by side, row under row, and numbers them."""

    def __init__(self):
        self.panels = []
        self._x = self._y = self._height = 0

    def row(self, title):
        self._break_line()
        self._add({"type": "row", "title": title, "collapsed": False,
                   "panels": []}, WIDTH, 1)

    def add(self, panel, width, height=8):
        if self._x + width > WIDTH:
            self._break_line()
        self._add(panel, width, height)

    def _add(self, panel, width, height):
        place = {"x": self._x, "y": self._y, "w": width, "h": height}
        self.panels.append({"id": len(self.panels) + 1, "gridPos": place,
                            **panel})
        self._x += width
        self._height = max(self._height, height)

    def _break_line(self):
        self._y += self._height
        self._x = self._height = 0


def targets(queries, **more):
    """`queries`: {legend: expression}."""
    return [{"refId": chr(ord("A") + i), "expr": expression,
             "legendFormat": legend, "datasource": DATASOURCE, **more}
            for i, (legend, expression) in enumerate(queries.items())]


def panel(kind, title, description, unit, queries, options=None, **defaults):
    return {
        "type": kind, "title": title, "description": description,
        "datasource": DATASOURCE, "targets": targets(queries),
        "fieldConfig": {"defaults": {"unit": unit, **defaults},
                        "overrides": []},
        "options": options or {},
    }


def series(title, description, unit, queries, stacked=False, **defaults):
    custom = {"lineWidth": 1, "fillOpacity": 20 if stacked else 5,
              "showPoints": "never",
              "stacking": {"mode": "normal" if stacked else "none"}}
    options = {"legend": {"displayMode": "table", "placement": "right",
                          "calcs": ["lastNotNull"], "sortBy": "Last *",
                          "sortDesc": True, "showLegend": True},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel("timeseries", title, description, unit, queries, options,
                 custom=custom, min=0, **defaults)


def stat(title, description, unit, query, steps, decimals=None, **defaults):
    """`steps`: [(from this value on, colour)]."""
    options = {"reduceOptions": {"calcs": ["lastNotNull"]},
               "colorMode": "value", "graphMode": "area"}
    defaults["thresholds"] = {"mode": "absolute", "steps": [
        {"value": value, "color": colour} for value, colour in steps]}
    if decimals is not None:
        defaults["decimals"] = decimals
    return panel("stat", title, description, unit, {title: query}, options,
                 **defaults)


def bars(title, description, unit, queries, link, **defaults):
    """One bar for each series, as it is now."""
    options = {"displayMode": "basic", "orientation": "horizontal",
               "reduceOptions": {"calcs": ["lastNotNull"]}}
    steps = [{"value": None, "color": "green"},
             {"value": 0.05, "color": "orange"}, {"value": 0.2, "color": "red"}]
    made = panel("bargauge", title, description, unit, queries, options,
                 min=0, max=1, links=[link],
                 thresholds={"mode": "absolute", "steps": steps}, **defaults)
    for target in made["targets"]:
        target.update(instant=True, range=False)
    return made


def heatmap(title, description, unit, queries):
    """Of a histogram's buckets, which the query sums by `le`."""
    options = {"calculate": False, "yAxis": {"unit": unit},
               "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
               "cellGap": 1, "tooltip": {"mode": "single"}}
    made = panel("heatmap", title, description, unit, queries, options)
    for target in made["targets"]:
        target["format"] = "heatmap"
    return made


def variable(name, label, query, multi, all_value=".*"):
    made = {"type": "query", "name": name, "label": label,
            "datasource": DATASOURCE,
            "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1,
            "multi": multi, "includeAll": all_value is not None,
            "options": [], "hide": 0, "regex": "", "skipUrlSync": False}
    if all_value is not None:
        made["allValue"] = all_value
    return made


def annotation(name, colour, expression, title):
    return {"name": name, "iconColor": colour, "enable": True,
            "datasource": DATASOURCE, "titleFormat": title,
            "target": {"refId": "Annotation", "expr": expression,
                       "interval": "60s"}}


def dashboard(uid, title, description, layout, variables, annotations, links):
    source = {"type": "datasource", "name": "datasource", "label": "Prometheus",
              "query": "prometheus", "refresh": 1, "regex": "", "multi": False,
              "includeAll": False, "options": [], "hide": 0,
              "skipUrlSync": False}
    modes = ["ASYNC", "SYNC_LIGHT", "SYNC"]
    mode = {"type": "custom", "name": "mode", "label": "Mode", "multi": True,
            "includeAll": True, "allValue": ".*", "query": ",".join(modes),
            "current": {"text": "All", "value": "$__all", "selected": True},
            "options": [{"text": name, "value": name, "selected": False}
                        for name in modes],
            "hide": 0, "skipUrlSync": False}
    return {
        "uid": uid, "title": title, "description": description,
        "tags": ["pageferry"], "schemaVersion": 39, "version": 1,
        "editable": True, "graphTooltip": 1, "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"}, "timepicker": {},
        "timezone": "browser", "weekStart": "", "fiscalYearStartMonth": 0,
        "liveNow": False,
        "annotations": {"list": annotations}, "links": links,
        "templating": {"list": [source, *variables, mode]},
        "panels": layout.panels,
    }
