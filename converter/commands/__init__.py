"""One command of `keraport` a file: options in, one call of the library, its outcome on the screen and in files.

What comes in is what was typed; what goes out is an exit code, or an error that `converter.cli` tells. Nothing of a
conversion is decided here. The groups of commands (`zoo`, `golden`, `weights`, `backend`) stand in the rooms that they
are about; what is shared by all of them is in `converter.terminal`.
"""
