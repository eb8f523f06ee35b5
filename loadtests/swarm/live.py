"""Due to done while it runs, in Locust's web page: a tab, a page of its own, and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import redis
from flask import Blueprint, Response, jsonify, request
from locust.runners import STATE_RUNNING, STATE_SPAWNING

from streamlab.errors import BadArgumentError
from streamlab.server.reader import URL_VARIABLE
from swarm.here import HERE
from swarm.options import OPTIONS
from swarm.page import page, rows_of_tab
from swarm.parts import options_of, runner_of
from swarm.printed import figures
from swarm.settings import Settings, too_few

if TYPE_CHECKING:
    from flask import Flask
    from locust.env import Environment
    from locust.web import WebUI

    from swarm.lab import Lab

_COLUMNS = {"name": "latency, µs", "tasks": "tasks"} | {
    name: name for name in ("p50", "p90", "p99", "max")
}
#: What a test has in Locust's options beside what is asked for: nobody sets it from outside.
_OWN = ("hdr", "streamlab_stream", "streamlab_url")


def serve(environment: Environment, web: WebUI, lab: Lab) -> None:
    """Add our routes to Locust's web page, before it is served."""
    app, base = cast("Flask", web.app), options_of(environment).web_base_path or ""
    ours = Blueprint("streamlab", __name__, url_prefix=base or None)

    @ours.route("/streamlab")
    @web.auth_required_if_enabled
    def live_page() -> Response:
        return Response(page(now(environment, lab)), mimetype="text/html")

    @ours.route("/streamlab.json")
    @web.auth_required_if_enabled
    def live_json() -> Response:
        return jsonify(now(environment, lab))

    @app.before_request
    def check_form() -> Response | None:
        """Locust would answer a value that it cannot convert with an error that nobody sees."""
        if request.method != "POST" or request.path != f"{base}/swarm":
            return None
        fault = fault_of_form(environment, lab, request.form)
        return jsonify(success=False, message=fault, host=environment.host) if fault else None

    @app.after_request
    def add_row(response: Response) -> Response:
        """Fill the tab: Locust's page asks for its statistics every two seconds."""
        if request.path == f"{base}/stats/requests" and response.is_json:
            rows = rows_of_tab(now(environment, lab)) if lab.test else []
            more = {"extended_stats": [{"key": "streamlab", "data": rows}]}
            response.set_data(jsonify({**response.get_json(), **more}).get_data())
        return response

    app.register_blueprint(ours)
    web.template_args |= _tab()


def _tab() -> dict[str, Any]:
    """What Locust's page is told of our tab and of our links."""
    structure = [{"key": key, "title": title} for key, title in _COLUMNS.items()]
    return {
        # Locust writes titles of tabs in capitals: those of µs are MS.
        "extended_tabs": [{"title": "Due to done", "key": "streamlab"}],
        "extended_tables": [{"key": "streamlab", "structure": structure}],
        "extended_csv_files": [
            {"href": "./streamlab", "title": "Due to done, in µs: live page"},
            {"href": "./streamlab.json", "title": "Due to done, in µs: JSON"},
        ],
    }


def fault_of_form(environment: Environment, lab: Lab, form: Any) -> str | None:
    """What is wrong with the web form, in words, or None."""
    given = vars(options_of(environment))
    try:
        for option in OPTIONS:
            if option.in_form and option.name in form and not isinstance(option.default, bool):
                option.value(form[option.name])
        for name in set(_OWN) & set(form):
            return f"{name} is no field of this form: give it on the command line"
        if form.get("host", "") not in ("", lab.server.url.shown if lab.server else ""):
            return f"host is not chosen here, got {form['host']!r}: set {URL_VARIABLE}"
        asked = Settings.of(given | {n: _value(form[n], given[n]) for n in _ours(form)})
    except BadArgumentError as exc:
        return str(exc)
    if runner_of(environment).state in (STATE_SPAWNING, STATE_RUNNING):
        kept = HERE.test is not None and asked == HERE.test.settings
        return None if kept else "a test that runs keeps its settings: stop it, and start it anew"
    if lab.server is None or not lab.server.running:
        return "the server does not answer: start it again, or start Locust anew"
    users = form.get("user_count", "")
    return too_few(int(users), asked.load.groups) if users.isdigit() else None


def _ours(form: Any) -> list[str]:
    return [option.name for option in OPTIONS if option.name in form]


def _value(text: str, before: Any) -> Any:
    return text == "true" if isinstance(before, bool) else text


def now(environment: Environment, lab: Lab) -> dict[str, Any]:
    """The figures, as far as this process knows them; Locust's workers report every 3 s."""
    state = runner_of(environment).state
    if lab.test is None:
        return {"state": state, "ended": False, "test": None, "fault": lab.fault}
    whole = lab.collect(runner_of(environment))
    left: tuple[tuple[int | None, int | None], ...] = ((None, None),) * whole.groups
    if lab.verdict is None and lab.server is not None:
        try:
            with lab.server.client(socket_timeout=1.0, retry=None) as client:
                left = lab.test.place.told(client)
        except redis.RedisError:  # a server that stands still is shown as unknown
            pass
    entry = environment.stats.get("due to done", "stream")
    rounded = {
        f"{name}_ms": entry.get_response_time_percentile(quantile) if entry.num_requests else None
        for name, quantile in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
    }
    return {
        "state": state,
        "ended": lab.verdict is not None,
        "test": lab.test.place.stream,
        "server": lab.shown,
        "locust": rounded | {"tasks": entry.num_requests, "max_ms": entry.max_response_time},
        **figures(whole, lab.test.settings, lab.verdict, left),
    }
