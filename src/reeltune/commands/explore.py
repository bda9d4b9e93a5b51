"""`reeltune explore`: look at runs, evaluations, selections and samples. Imports nothing heavy before it runs."""

import argparse
import secrets
import webbrowser
from pathlib import Path

from reeltune.commands.own_tasks import add_task_files, load_task_files

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Look at everything a model did: search, filter and sort every answer, see spans and boxes on the playing "
        "video, compare runs side by side, follow a run while it trains. Starts a small server on this machine, "
        "which writes nothing but your notes."
    )
    parser.add_argument("paths", type=Path, nargs="+", metavar="RUN|EVAL|SELECTION|SAMPLES", help="what to open")
    parser.add_argument("--samples", type=Path, action="append", default=[], metavar="FILE",
                        help="the samples that belong to answers from elsewhere")  # fmt: skip
    parser.add_argument("--media-root", type=Path, action="append", default=[], metavar="DIR",
                        help="folder to search for media that have moved")  # fmt: skip
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1; any other requires a token)"
    )
    parser.add_argument("--port", type=int, default=8321, help="port (default: 8321; 0: any free port)")
    parser.add_argument("--media-cache", type=float, default=4.0, metavar="GIB",
                        help="size limit of videos converted for the browser (default: 4)")  # fmt: skip
    add_task_files(parser)
    parser.add_argument("--open", action="store_true", help="open the browser")


def run(args: argparse.Namespace) -> int:
    import uvicorn

    from reeltune.explorer.app import make_app
    from reeltune.explorer.session import Session

    load_task_files(args)
    session = Session(args.paths, samples=args.samples, media_roots=args.media_root, media_gib=args.media_cache)
    local = args.host in LOOPBACK
    token = "" if local else secrets.token_urlsafe(24)
    app = make_app(session, hosts=LOOPBACK if local else (), token=token)
    config = uvicorn.Config(app, host=args.host, port=args.port, log_level="warning", server_header=False)
    with config.bind_socket() as socket:
        port = socket.getsockname()[1]
        host = f"[{args.host}]" if ":" in args.host else args.host
        address = f"http://{host}:{port}/" + (f"?token={token}" if token else "")
        print(f"{address}\nPress Ctrl-C to stop.", flush=True)
        session.start()
        if args.open:
            webbrowser.open(address)
        try:
            uvicorn.Server(config).run(sockets=[socket])
        finally:
            session.close()
    return 0
