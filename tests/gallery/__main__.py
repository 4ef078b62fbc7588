"""python -m tests.gallery FOLDER [--only NAME …] [--demo] [--market FOLDER]: pictures of every page and state, wide and narrow, light and dark."""

import argparse
import os
import sys
import tempfile
from pathlib import Path


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.gallery", description=__doc__)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--only", nargs="*", default=[], help="shots whose names begin so")
    asked.add_argument("--windows", nargs="*", default=["1280-light", "1280-dark", "390-light", "390-dark"])
    asked.add_argument("--demo", action="store_true", help="beside the cast the whole catalog of the demo; about two minutes more")
    asked.add_argument("--market", type=Path, help="keep the market in this folder, or take the one that an earlier run left there")
    given = asked.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    import django

    django.setup()
    from tests.gallery import market
    from tests.gallery.camera import Camera, Window, report
    from tests.gallery.shots import shots
    from tests.journeys.browser import opened

    windows = [Window(int(width), scheme) for width, scheme in (name.split("-") for name in given.windows)]
    failures, count = {}, 0
    with tempfile.TemporaryDirectory() as scratch, market.opened(given.market or Path(scratch), demo=given.demo) as (url, stage), opened() as browser:
        camera = Camera(browser, url, stage, given.folder)
        for shot in shots():
            if given.only and not shot.name.startswith(tuple(given.only)):
                continue
            for window in windows:
                if window.scheme not in shot.schemes:
                    continue
                count += 1
                try:
                    wrong = camera.look(shot, window)
                except Exception as error:  # one state that can not be reached leaves the others
                    wrong = [f"could not be looked at: {str(error)[:600]}"]
                if wrong:
                    failures[f"{shot.name} {window.name}"] = wrong
                    print(report({f"{shot.name} {window.name}": wrong}), flush=True)
        camera.close()
    print(f"{count} pictures in {given.folder}, {len(failures)} with findings")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
