"""`python -m keraport` is the `keraport` command."""

from converter.cli import run

if __name__ == "__main__":
    run()
