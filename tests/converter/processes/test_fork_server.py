"""The warm process that forks: how its children end, and that nothing of them stays."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from converter.processes import fork_server
from tests.fork_servers import FOREVER, SECONDS, Server, serving
from tests.zoo_runs import gone, wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.mark.parametrize(
    ("code", "exit_code", "output"),
    [
        ("print('all is well')", 0, "all is well\n"),
        ("sys.exit()", 0, ""),
        ("sys.exit(7)", 7, ""),
        ("sys.exit('out of luck')", 1, "out of luck\n"),
        ("sys.exit(1 << 40)", 0, ""),
        ("sys.exit(-1)", 255, ""),
        ("os.write(2, b'bare'); os._exit(9)", 9, "bare"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV, ""),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
        ("os.write(1, b'half of \\xc3')", 0, "half of �"),
    ],
)
def test_how_a_child_ended_is_told(server: Server, code: str, exit_code: int, output: str) -> None:
    call = server.call(code)
    pid = call.line()["pid"]
    ending = call.ending()
    assert (ending["exit"], ending["output"]) == (exit_code, output)
    assert ending["peak"] > 1 << 20
    assert pid != server.process.pid
    assert not psutil.pid_exists(pid)


def test_the_traceback_of_an_exception_is_told(server: Server) -> None:
    ending = server.call("def inner(): raise RuntimeError('no such size')\ninner()").ending()
    assert ending["exit"] == 1
    assert "in inner" in ending["output"]
    assert ending["output"].endswith("RuntimeError: no such size\n")


def test_of_much_output_the_end_is_kept(server: Server) -> None:
    ending = server.call("sys.stdout.write('x' * 10_000_000 + '\\nthe end\\n')").ending()
    assert len(ending["output"]) == fork_server.TAIL
    assert ending["output"].endswith("x\nthe end\n")


def test_stdin_of_a_child_is_empty(server: Server) -> None:
    call = server.call("say(connection, stdin=os.readlink('/proc/self/fd/0'), read=sys.stdin.read())")
    call.line()
    assert call.line() == {"stdin": "/dev/null", "read": ""}


def test_half_a_line_of_a_dying_child_does_not_spoil_the_last(server: Server) -> None:
    ending = server.call("connection.sendall(b'{\"half\": '); os.kill(os.getpid(), signal.SIGKILL)").ending()
    assert ending["exit"] == -signal.SIGKILL


def test_the_end_is_told_to_one_who_reads_late(server: Server) -> None:
    """The child has filled the connection: there is room for the last line only when somebody reads."""
    call = server.call(
        "print('y' * 9999)\nconnection.setblocking(False)\nwhile connection.send(b'x' * 999 + b'\\n'): pass"
    )
    wait_until(lambda: not server.children(), "the child is gone")
    assert server.call("print('another')").ending()["output"] == "another\n"
    ending = call.ending()
    assert ending["exit"] == 1
    assert ending["output"].startswith("y" * 9999 + "\nTraceback")


@pytest.mark.parametrize("is_waiting", [True, False])
def test_a_closed_connection_ends_a_child_and_all_that_it_started(server: Server, is_waiting: bool) -> None:
    call = server.call(f"say(connection, family=found_family())\n{FOREVER}")
    family = [call.line()["pid"], *call.line()["family"]]
    processes = [psutil.Process(pid) for pid in family]
    assert all(process.is_running() for process in processes)
    if is_waiting:
        call.socket.shutdown(socket.SHUT_WR)
        assert call.ending()["exit"] == -signal.SIGKILL
        assert not any(map(psutil.pid_exists, family))
    else:
        call.close()
        wait_until(lambda: gone(processes), "all are gone")


def test_a_child_that_ends_by_itself_leaves_nothing(server: Server) -> None:
    call = server.call("say(connection, family=found_family())")
    call.line()
    family = call.line()["family"]
    assert call.ending()["exit"] == 0
    assert not any(map(psutil.pid_exists, family))


def test_connections_do_not_see_each_other(server: Server) -> None:
    first = server.call(f"say(connection, sockets=sockets())\n{FOREVER}")
    second = server.call(
        f"say(connection, sockets=sockets())\nconnection.recv(1)\nsay(connection, alive=True)\n{FOREVER}"
    )
    for call in (first, second):
        call.line()
        assert call.line() == {"sockets": 1}
    first.socket.shutdown(socket.SHUT_WR)
    assert first.ending()["exit"] == -signal.SIGKILL
    second.socket.sendall(b"?")
    assert second.line() == {"alive": True}
    second.socket.shutdown(socket.SHUT_WR)
    assert second.ending()["exit"] == -signal.SIGKILL


def test_a_child_whose_connection_is_closed_before_it_has_a_session_is_ended(tmp_path: Path) -> None:
    slow = "real = os.setsid; os.setsid = lambda: (time.sleep(1), real())"
    with serving(tmp_path, before=slow) as server:
        call = server.call(FOREVER)
        wait_until(server.children, "the child is there")
        (child,) = server.children()
        call.close()
        wait_until(lambda: gone([child]), "the child is gone")


def test_a_number_of_a_closed_descriptor_is_no_news_of_the_next_one(tmp_path: Path) -> None:
    """A child dies, its connection is closed and another one comes, all at once: no order of that ends the other."""
    together = f"""
    class Together:
        def __init__(self, poll):
            self._poll = poll
        def __getattr__(self, name):
            return getattr(self._poll, name)
        def poll(self):
            self._poll.poll()
            while os.path.exists({str(tmp_path / "hold")!r}):
                time.sleep(0.01)
            first = [server._wake, server._listener.fileno()]
            return sorted(self._poll.poll(), key=lambda event: first.index(event[0]) if event[0] in first else 2)
    server._poll = Together(server._poll)
    """
    with serving(tmp_path, changes=together.strip()) as server:
        first = server.call("say(connection, ready=True); connection.recv(1)")
        first.line(), first.line()
        (child,) = server.children()
        (tmp_path / "hold").touch()
        first.socket.sendall(b"?")
        wait_until(lambda: gone([child]), "the first child is dead")
        first.close()
        second = server.call("time.sleep(0.5); say(connection, alive=True)")
        (tmp_path / "hold").unlink()
        assert "pid" in second.line()
        assert second.line() == {"alive": True}


def test_a_killed_server_takes_its_children_along(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        calls = [server.call(FOREVER) for _ in range(2)]
        children = [psutil.Process(call.line()["pid"]) for call in calls]
        server.process.kill()
        wait_until(lambda: gone(children), "the children are gone")


def test_a_server_whose_parent_is_gone_ends_with_its_children(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        call = server.call(f"say(connection, family=found_family())\n{FOREVER}")
        family = [call.line()["pid"], *call.line()["family"]]
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert call.ending()["exit"] == -signal.SIGKILL
        assert server.process.wait(SECONDS) == 0
        assert not any(map(psutil.pid_exists, family))


def test_a_server_with_threads_executes_instead_of_forking(tmp_path: Path, server: Server) -> None:
    what = "say(connection, mode=sys.argv[1], safe=fork_server.is_safe(), sockets=sockets())\nsys.exit(3)"
    forked = server.call(what)
    forked.line()
    assert forked.line() == {"mode": "listen", "safe": True, "sockets": 1}
    with serving(tmp_path, before="threading.Thread(target=time.sleep, args=(600,), daemon=True).start()") as threaded:
        executed = threaded.call(what)
        pid = executed.line()["pid"]
        assert executed.line() == {"mode": "answer", "safe": True, "sockets": 1}
        assert executed.ending()["exit"] == 3
        assert not psutil.pid_exists(pid)
