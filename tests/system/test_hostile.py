"""Attackers and clumsy administrators: whatever they put in our way, the daemon lives, nothing leaks, and the reason is told."""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
import uuid as uuidlib

import pytest
import vmhost

SECRET = "5ecret-of-root-only"


def lower_limit(name, value):
    """A sysctl for one test; restored by the caller."""
    path = "/proc/sys/" + name
    old = open(path).read()
    open(path, "w").write(str(value))
    return lambda: open(path, "w").write(old)


def ticks(pid):
    """CPU time used, in clock ticks."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def memory_mib(pid, what):
    if "libasan" in open(f"/proc/{pid}/maps").read():
        return 0  # the sanitizer's own memory says nothing
    return next(int(x.split()[1]) >> 10 for x in open(f"/proc/{pid}/status") if x.startswith(what))


def rss_mib(pid):
    return memory_mib(pid, "VmRSS")


def peak_mib(pid):
    return memory_mib(pid, "VmHWM")


def sources(host, uuid):
    return {
        "xml": host.path(f"/etc/zones/{uuid}.xml"),
        "tags": host.path(f"/zones/{uuid}/config/tags.json"),
        "metadata": host.path(f"/zones/{uuid}/config/metadata.json"),
        "routes": host.path(f"/zones/{uuid}/config/routes.json"),
        "config": host.path(f"/zones/{uuid}/config"),
        "lastexited": host.path(f"/zones/{uuid}/lastexited"),
        "state": host.path(f"/run/vmnode/zones/{uuid}.state"),
        "pool": host.path(f"/zones/.pool/{uuid}.json"),
        "index": host.path("/etc/zones/index"),
    }


def exchange(a, b):
    """Two names change places at once: no moment at which nothing is there."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), 2) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        os.unlink(path)


KINDS = {
    "symlink": lambda p, outside: p.symlink_to(outside),
    "dangling": lambda p, outside: p.symlink_to("/nonexistent"),
    "fifo": lambda p, outside: os.mkfifo(p),
    "directory": lambda p, outside: p.mkdir(),
    "device": lambda p, outside: os.mknod(p, stat.S_IFCHR | 0o600, os.makedev(1, 5)),
    "socket": lambda p, outside: socket.socket(socket.AF_UNIX).bind(str(p)),
    "huge": lambda p, outside: (p.touch(), os.truncate(p, 100 << 20)),
}
OBSTACLES = [pytest.param(name, kind, marks=[pytest.mark.root] if kind == "device" else []) for name in ("xml", "tags", "config", "lastexited", "state", "pool", "index") for kind in KINDS
             if not (name == "config" and kind == "directory")]


@pytest.mark.parametrize("name,kind", OBSTACLES)
def test_something_else_in_place_of_a_source(host, tmp_path, name, kind):
    """Nothing is followed, nothing hangs, the last good object stays, and one load_error names the file."""
    secret = tmp_path / "secret"
    outside = {"config": tmp_path}.get(name, secret)
    secret.write_text(SECRET if name != "tags" else json.dumps({"s": SECRET}))
    (tmp_path / "tags.json").write_text(json.dumps({"s": SECRET}))
    uuid = host.create(vmhost.quick_payload(alias="good", tags={"k": "v"}))
    other = host.create(vmhost.quick_payload(alias="other"))
    path = sources(host, uuid)[name]
    ev = host.events()

    aside = path.with_name("." + path.name + ".aside")
    existed = path.exists()
    KINDS[kind](aside, outside)
    exchange(aside, path) if existed else os.rename(aside, path)
    vm = host.get(f"/vms/{uuid}?sync=1")
    assert vm["alias"] == "good" and vm["tags"] == {"k": "v"}
    if name == "index":
        assert any("/etc/zones/index" in json.dumps(x) for x in host.get("/status?full=true").values())
    else:
        assert vm["load_error"]["file"].startswith(os.path.splitext("/" + str(path.relative_to(host.root)))[0]), vm["load_error"]
    assert "load_error" not in host.get(f"/vms/{other}?sync=1")
    assert host.vmadm("list", "-H").stdout.count("\n") == 2
    assert SECRET not in json.dumps(host.get("/vms")) + host.http("/status?full=true")[1].decode()

    if existed:
        exchange(aside, path)
        remove(aside)
    else:
        remove(path)
    vm = host.get(f"/vms/{uuid}?sync=1")
    assert "load_error" not in vm and vm["tags"] == {"k": "v"}
    host.vmadm("update", uuid, "alias=done")
    ev.wait_change(uuid, "alias", "done")
    assert not [e for e in ev.seen if e["type"] == "delete"]
    assert sum("load_error" in str(c["path"]) and c["action"] == "added" for e in ev.seen if e["type"] == "modify"
               for c in e["changes"]) <= 1


def test_something_else_in_place_of_the_temporary_directory(host, bootsector, tmp_path):
    uuid = vmhost.create_quick(host, bootsector)
    tmp = host.path(f"/zones/{uuid}/root/tmp")
    os.rename(tmp, f"{tmp}.aside")
    tmp.symlink_to(tmp_path)
    before = tmp_path.stat()
    p = host.vmadm("start", uuid, check=False)
    assert p.returncode == 1 and len(p.stderr.splitlines()) == 1 and "root/tmp" in p.stderr, p.stderr
    assert list(tmp_path.iterdir()) == [] and (tmp_path.stat().st_uid, tmp_path.stat().st_mode) == (before.st_uid, before.st_mode)
    assert host.vm(uuid)["state"] == "stopped"
    os.unlink(tmp)
    os.rename(f"{tmp}.aside", tmp)
    host.vmadm("start", uuid)


BAD_TEXTS = {
    "empty": b"", "nul": b"\0" * 4096, "utf8": b'{"k": "\xff\xfe"}', "utf8-xml": b"<zone name='\xff'/>", "deep-json": b"[" * 200000,
    "deep-object": b'{"a":' * 100000, "deep-xml": b"<a>" * 100000, "entities": b'<!DOCTYPE z [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    b"<zone name='x' brand='kvm'><attr name='alias' type='string' value='&b;'/></zone>", "external":
    b'<!DOCTYPE z [<!ENTITY a SYSTEM "file:///etc/shadow">]><zone name="x" brand="kvm">&a;</zone>', "number": b'{"quota": 1e999}', "array": b"[]",
    "null": b"null", "string": b'"x"', "twice": b'{"k": 1, "k": 2}',
}


@pytest.mark.parametrize("name", ["xml", "tags", "metadata", "routes", "pool", "state", "index", "lastexited"])
def test_bad_texts(host, name):
    uuid = host.create(vmhost.quick_payload(alias="good", tags={"k": "v"}))
    path = sources(host, uuid)[name]
    logical = "/" + str(path.relative_to(host.root))
    old = path.read_bytes() if path.exists() else None
    for text in BAD_TEXTS.values():
        path.write_bytes(text)
        vm = host.get(f"/vms/{uuid}?sync=1")
        assert vm["alias"] == "good" and vm["tags"] == {"k": "v"}
        if name not in ("index", "lastexited"):  # a text that is no exit is none; the index is told in /status
            assert vm["load_error"]["file"] == logical, text[:40]
    if old is None:
        os.unlink(path)
    else:
        path.write_bytes(old)
    assert "load_error" not in host.get(f"/vms/{uuid}?sync=1")


def test_files_cut_short(host, bootsector):
    """Every file, cut after each 50th byte: the last good object, or the file's own truth; never a crash, never a delete."""
    uuid = vmhost.create_quick(host, bootsector, alias="good", tags={f"k{i}": "v" for i in range(50)})
    qcow = host.create(vmhost.quick_payload(disks=[{"size": 1, "model": "virtio"}]))
    host.vmadm("start", uuid)
    ev = host.events()
    files = [(uuid, sources(host, uuid)[n]) for n in ("xml", "tags", "pool", "state")]
    files.append((qcow, host.path(host.vm(qcow)["disks"][0]["path"])))
    for vm_uuid, path in files:
        good = path.read_bytes()
        inode = os.open(path, os.O_WRONLY)
        for n in range(0, min(len(good), 5000), 50 if len(good) < 100000 else 4):
            os.ftruncate(inode, n)
            vm = host.get(f"/vms/{vm_uuid}?sync=1")
            if path.suffix == ".qcow2":
                assert "load_error" in vm if n < 32 else "load_error" not in vm
                if n >= 32:
                    break
            else:
                assert "load_error" in vm and vm.get("alias") == "good", (path, n)
            os.pwrite(inode, good[:n + 4096], 0)
        os.pwrite(inode, good, 0)
        os.close(inode)
        assert "load_error" not in host.get(f"/vms/{vm_uuid}?sync=1")
    assert host.vm(uuid)["state"] == "running"
    host.vmadm("stop", uuid, "-F")
    ev.wait_change(uuid, "state", "stopped")
    assert not [e for e in ev.seen if e["type"] == "delete"]


@pytest.mark.parametrize("text", ["pid1", "self", "wrong-start", "negative", "huge", "float", "string", "other-boot", "daemon"])
def test_state_file_that_lies(host, text):
    """A file about a process is believed only as far as the process agrees."""
    uuid = host.create(vmhost.quick_payload())
    other = subprocess.Popen(["sleep", "60"])
    boot = open("/proc/sys/kernel/random/boot_id").read().strip()

    def start_of(pid):
        return int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[19])

    pid, start = {
        "pid1": (1, 12345), "self": (os.getpid(), 1), "wrong-start": (other.pid, start_of(other.pid) + 1), "negative": (-1, 1),
        "huge": (1 << 40, 1 << 62), "float": (1.5, 1), "string": ("1", "1"), "other-boot": (other.pid, start_of(other.pid)),
        "daemon": (host.daemon.pid, 1)}[text]
    state = {"boot_id": boot if text != "other-boot" else str(uuidlib.uuid4()), "state": "running", "zoneid": 5, "uid": 0,
             "boot_time_ms": 1, "restarts": 0, "monitor": {"pid": pid, "start": start}, "hypervisor": {"pid": pid, "start": start}}
    try:
        host.replace(f"/run/vmnode/zones/{uuid}.state", json.dumps(state))
        vm = host.get(f"/vms/{uuid}?sync=1")
        assert vm["state"] == "stopped" and "pid" not in vm
        assert ("load_error" in vm) == (text in ("negative", "huge", "float", "string"))
        host.vmadm("stop", uuid, "-F", check=False)
        assert other.poll() is None and host.daemon.poll() is None
        p = host.vmadm("delete", uuid, check=False)
        if p.returncode != 0:  # whether it runs cannot be known: the file is named, and nothing destroyed
            assert "load_error" in vm and f"{uuid}.state" in p.stderr and host.path(f"/zones/{uuid}").exists()
            os.unlink(host.path(f"/run/vmnode/zones/{uuid}.state"))
            host.vmadm("delete", uuid)
        assert other.poll() is None and host.daemon.poll() is None
    finally:
        other.kill()
        other.wait()


def test_directory_nobody_may_read(host):
    """Root may; another user's daemon says so. Here: it never hangs and the modes do not stop root."""
    uuid = host.create(vmhost.quick_payload(tags={"k": "v"}))
    os.chmod(host.path(f"/zones/{uuid}/config"), 0)
    vm = host.get(f"/vms/{uuid}?sync=1")
    assert vm["tags"] == {"k": "v"}


def test_directories_that_are_exchanged_are_still_watched(host):
    uuid = host.create(vmhost.quick_payload())
    ev = host.events()
    config = host.path(f"/zones/{uuid}/config")
    for i, what in enumerate([config, config.parent, config.parent]):
        os.rename(what, f"{what}.old{i}")
        shutil.copytree(f"{what}.old{i}", what)
        host.replace(f"/zones/{uuid}/config/tags.json", json.dumps({"n": i}))
        ev.wait_change(uuid, "tags.n", i)
        # the old one means nothing any more
        old = what.with_name(f"{what.name}.old{i}")
        (old / "tags.json" if what == config else old / "config/tags.json").write_text('{"n": "old"}')
    host.replace(f"/zones/{uuid}/config/tags.json", json.dumps({"n": "last"}))
    ev.wait_change(uuid, "tags.n", "last")
    assert not [e for e in ev.seen if '"newValue": "old"' in json.dumps(e)]


def test_host_directory_that_is_exchanged(host):
    uuid = host.create(vmhost.quick_payload())
    ev = host.events()
    etc = host.path("/etc/zones")
    os.rename(etc, f"{etc}.old")
    shutil.copytree(f"{etc}.old", etc)
    xml = host.path(f"/etc/zones/{uuid}.xml").read_text()
    host.replace(f"/etc/zones/{uuid}.xml", xml.replace('name="ram" type="string" value="64"', 'name="ram" type="string" value="65"'))
    ev.wait_change(uuid, "ram", 65)
    assert not [e for e in ev.seen if e["type"] == "delete"]


def test_2000_rapid_renames(host):
    uuid = host.create(vmhost.quick_payload())
    ev = host.events()
    slowest = 0
    for i in range(2000):
        host.replace(f"/zones/{uuid}/config/tags.json", json.dumps({"n": i}))
        if i % 200 == 0:
            at = time.monotonic()
            host.get("/ping")
            slowest = max(slowest, time.monotonic() - at)
    ev.wait_change(uuid, "tags.n", 1999)
    assert slowest < 0.5
    assert len(ev.seen) <= 2001


@pytest.mark.root
def test_lost_file_events_cost_time_only(host):
    """The queue of the kernel runs over: a full scan finds what changed, and directories exchanged meanwhile are watched."""
    uuids = [host.create(vmhost.quick_payload()) for _ in range(8)]
    host.stop()
    restore = lower_limit("fs/inotify/max_queued_events", 16)
    try:
        host.start()
    finally:
        restore()
    ev = host.events()
    os.kill(host.daemon.pid, signal.SIGSTOP)
    for uuid in uuids:
        for i in range(5):
            host.replace(f"/zones/{uuid}/config/tags.json", json.dumps({"n": i}))
    for uuid in uuids:
        config = host.path(f"/zones/{uuid}/config")
        os.rename(config, f"{config}.old")
        shutil.copytree(f"{config}.old", config)
        host.replace(f"/zones/{uuid}/config/tags.json", '{"n": "lost"}')
    os.kill(host.daemon.pid, signal.SIGCONT)
    wanted = set(uuids)
    while wanted:
        e = ev.wait(lambda e: e["vm"].get("tags") == {"n": "lost"})
        wanted.discard(e["uuid"])
    for uuid in uuids:
        host.replace(f"/zones/{uuid}/config/tags.json", '{"n": "later"}')
        ev.wait_change(uuid, "tags.n", "later")


# --- HTTP ---


def tcp(host):
    s = socket.create_connection(("127.0.0.1", host.port))
    s.settimeout(vmhost.WAIT)
    return s


def read_all(s):
    out = b""
    with contextlib.suppress(ConnectionError):
        while data := s.recv(65536):
            out += data
    return out


def listeners(host):
    return len(host.get("/status?full=true")["eventsListeners"])


def wait_listeners(host, n, timeout):
    end = time.monotonic() + timeout
    while listeners(host) != n:
        assert time.monotonic() < end, f"{listeners(host)} listeners, not {n}"
        select.select([], [], [], 0.02)


@pytest.mark.parametrize("text,status", [
    (b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", (414, 400, 431)),
    (b"GET /ping HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100000 + b"\r\n\r\n", (431, 413, 400)),
    (b"GET /ping HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 20000 + b"\r\n", (431, 413, 400)),
    (b"\0\xff\x01garbage\r\n\r\n" * 100, (400, 405)), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500, (400,)),
    (b"GET /vms/%00%2e%2e%2f HTTP/1.1\r\nHost: localhost\r\n\r\n", (404, 400)), (b"DELETE /vms HTTP/1.1\r\nHost: localhost\r\n\r\n", (405, 404, 400)),
    (b"POST /vms HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n", (400, 405, 404, 413)),
    (b"POST /vms HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n", (400, 405, 404)),
], ids=["uri", "header", "headers", "garbage", "tls", "path", "method", "length", "chunk"])
def test_hostile_requests(host, text, status):
    with contextlib.closing(tcp(host)) as s:
        with contextlib.suppress(OSError):
            s.sendall(text)
            s.shutdown(socket.SHUT_WR)
        answer = read_all(s)
        assert answer == b"" or int(answer.split()[1]) in status, answer[:300]
    assert host.get("/ping")


def test_pipelined_requests_are_all_answered(host):
    with contextlib.closing(tcp(host)) as s:
        s.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50 + b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert read_all(s).count(b"HTTP/1.1 200") == 51


def test_half_closed_client_gets_its_answer(host):
    uuid = host.create(vmhost.quick_payload())
    for path in ("/ping", f"/vms/{uuid}?sync=1", "/vms?sync=1"):
        with contextlib.closing(tcp(host)) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            s.shutdown(socket.SHUT_WR)
            assert read_all(s).startswith(b"HTTP/1.1 200"), path


def test_slow_header_is_cut_and_hinders_nobody(bare):
    conf = bare.path("/etc/vmnode/vmnode.conf")
    conf.parent.mkdir(parents=True)
    conf.write_text("[vminfod]\nwrite_deadline = 1\n")
    host = bare.start()
    with contextlib.closing(tcp(host)) as s:
        s.sendall(b"GET /ping HTTP/1.1\r\n")
        done = []
        while not done:  # a byte each 50 ms: never idle, never whole
            done, _, _ = select.select([s], [], [], 0.05)
            if not done:
                with contextlib.suppress(ConnectionError):
                    s.send(b"X")
            host.get("/ping")
        assert b"200 OK" not in read_all(s)


def test_listener_that_never_reads(bare):
    """It hurts itself only: the others get all, it is dropped, and memory is bounded by the ring."""
    conf = bare.path("/etc/vmnode/vmnode.conf")
    conf.parent.mkdir(parents=True)
    conf.write_text("[vminfod]\nring_bytes = 2000000\nwrite_deadline = 30\n")
    host = bare.start()
    uuid = host.create(vmhost.quick_payload())
    deaf = [tcp(host) for _ in range(5)]
    for s in deaf:
        s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    good = [host.events() for _ in range(3)]
    wait_listeners(host, 8, vmhost.WAIT)
    before = rss_mib(host.daemon.pid)
    path = f"/zones/{uuid}/config/tags.json"
    for i in range(2000):
        host.replace(path, json.dumps({"n": i, "x": "x" * 3000}))
        if i % 20 == 19:  # wait: no change may be merged with the next
            for ev in good:
                ev.wait_change(uuid, "tags.n", i)
    wait_listeners(host, 3, 5)
    assert rss_mib(host.daemon.pid) - before < 16
    for s in deaf:
        s.close()


def test_listeners_come_and_go(host):
    for _ in range(3):
        evs = [host.events() for _ in range(100)]
        assert listeners(host) == 100
        for ev in evs[::2]:
            ev.close()
        wait_listeners(host, 50, 1.5)
        for ev in evs[1::2]:
            ev.sock.shutdown(socket.SHUT_RDWR)
        wait_listeners(host, 0, 1.5)
    socks = [tcp(host) for _ in range(100)]
    for s in socks:
        s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        s.recv(1)
    for s in socks:
        s.close()
    wait_listeners(host, 0, 2.5)


def test_more_listeners_than_allowed(bare):
    conf = bare.path("/etc/vmnode/vmnode.conf")
    conf.parent.mkdir(parents=True)
    conf.write_text("[vminfod]\nmax_listeners = 3\n")
    host = bare.start()
    evs = [host.events() for _ in range(4)]
    assert [ev.status for ev in evs] == [200, 200, 200, 503]
    evs[0].close()
    wait_listeners(host, 2, 1.5)
    assert host.events().status == 200


def test_no_descriptors_left(bare):
    """It does not spin, serves what it can, loads without errors, and recovers."""
    real = bare.bin / "vminfod"
    wrapped = bare.root / "bin"
    wrapped.mkdir()
    (wrapped / "vminfod").write_text(f'#!/bin/sh\nexec prlimit --nofile=64:64 {real} "$@"\n')
    (wrapped / "vminfod").chmod(0o755)
    for f in bare.bin.iterdir():
        if f.name != "vminfod":
            (wrapped / f.name).symlink_to(f)
    bin, bare.bin = bare.bin, wrapped
    host = bare.start()
    host.bin = bin
    uuid = host.create(vmhost.quick_payload())
    ev = host.events()
    socks = []
    for i in range(300):
        s = socket.socket(socket.AF_INET if i % 2 else socket.AF_UNIX)
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", host.port) if i % 2 else str(host.path("/run/vmnode/vminfod.sock")))
        socks.append(s)
    for s in socks:
        with contextlib.suppress(OSError):
            s.send(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert all(select.select([s], [], [], vmhost.WAIT)[0] for s in socks[:2])
    for i in range(20):
        host.replace(f"/zones/{uuid}/config/tags.json", json.dumps({"a": i}))
        assert "load_error" not in ev.wait_change(uuid, "tags.a", i)["vm"]
    before = ticks(host.daemon.pid)
    select.select([], [], [], 1)
    assert ticks(host.daemon.pid) - before < 20
    for s in socks:
        s.close()
    wait_listeners(host, 1, 5)
    assert not [e for e in ev.seen if "load_error" in e.get("vm", {})]
    with contextlib.closing(tcp(host)) as s:
        s.sendall(b"GET /ping HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert b"pong" in read_all(s)


@pytest.mark.parametrize("how", ["unix", "tcp"])
def test_orderly_end_with_listeners(host, how):
    evs = [host.events() if how == "unix" else vmhost.Events(tcp(host)) for _ in range(20)]
    half = tcp(host)
    half.sendall(b"GET /vms HT")
    assert host.stop() == 0
    for ev in evs:
        with pytest.raises((EOFError, ConnectionError)):
            ev.next()
    assert not host.path("/run/vmnode/vminfod.sock").exists()


# --- Commands ---


CLOSED = [[0], [1], [2], [0, 1], [1, 2], [0, 1, 2]]


@pytest.mark.parametrize("closed", CLOSED)
def test_closed_standard_descriptors(host, closed):
    """No file or socket of ours takes the place of a closed descriptor and gets text written into it."""
    uuid = host.create(vmhost.quick_payload())

    def run(*args):
        def close():
            for fd in closed:
                os.close(fd)
        p = subprocess.Popen([str(host.bin / "vmadm"), *args], env=host.env, preexec_fn=close, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return p.wait(vmhost.WAIT)

    assert run("list") == run("get", uuid) == run("lookup") == (1 if 1 in closed else 0)
    assert 1 not in closed or run("events", "-r") == 1
    assert run("update", uuid, "alias=named") == 0
    assert run("update", uuid, "ram=abc") == 1
    assert run("update", uuid) == 1
    assert run("create") == 1
    assert run("frobnicate") == 2
    assert host.vm(uuid)["alias"] == "named" and "load_error" not in host.vm(uuid)
    p = subprocess.run(["grep", "-rlaE", "Invalid|Successfully|cannot|zoneadm", str(host.root), "--exclude=vminfod.log", "--exclude=*.raw",
                        "--exclude=ops"], text=True, capture_output=True)
    assert p.stdout == ""


def test_full_standard_output(host):
    uuid = host.create(vmhost.quick_payload())
    for args in (["list"], ["get", uuid], ["lookup"], ["lookup", "-j"], ["events", "-r"], ["help"], ["--version"], ["list", "--help"]):
        with open("/dev/full", "w") as full:
            p = subprocess.run([str(host.bin / "vmadm"), *args], env=host.env, stdout=full, stderr=-1, text=True, timeout=vmhost.WAIT)
        assert p.returncode == 1 and "No space left" in p.stderr and len(p.stderr.splitlines()) == 1, (args, p)


def test_reader_that_leaves(host):
    for i in range(3):
        host.create(vmhost.quick_payload(alias="x" * 60))
    for args in ("list", "lookup -j", "get $(vmadm lookup | head -1)", "events -r"):
        p = subprocess.run(["bash", "-c", f"vmadm {args} | head -c1; echo ${{PIPESTATUS[0]}}"], text=True, capture_output=True, timeout=vmhost.WAIT,
                           env=dict(host.env, PATH=f"{host.bin}:{os.environ['PATH']}"))
        assert p.stdout[1:] in ("0\n", "141\n") and p.stderr == "", (args, p)


def test_interrupted_commands_end(host, bootsector):
    uuid = vmhost.create_quick(host, bootsector)
    with open(host.path(host.vm(uuid)["disks"][0]["path"]), "r+b") as f:
        f.write(b"\0" * 512)  # firmware alone ignores the button
    host.vmadm("start", uuid)
    ev = host.events()
    p = host.popen("vmadm", "stop", uuid, "-t", "60", stderr=-1)
    ev.wait(lambda e: e["vm"].get("state") == "stopping")
    p.send_signal(signal.SIGINT)
    assert p.wait(5) != 0
    host.vmadm("stop", uuid, "-F")
    assert host.vm(uuid)["state"] == "stopped"
    p = host.popen("vmadm", "events", "-r", stdout=-1)
    p.stdout.readline()
    p.send_signal(signal.SIGINT)
    assert p.wait(5) in (-signal.SIGINT, 130, 0)
    wait_listeners(host, 1, 1.5)


def test_giant_arguments_and_payloads(host):
    uuid = host.create(vmhost.quick_payload(alias="a"))
    host.vmadm("update", uuid, "alias=" + "x" * 120000)  # of any length, says the property table
    assert host.vm(uuid)["alias"] == "x" * 120000 and host.vmadm("list").stdout.endswith("x\n")
    host.vmadm("update", uuid, "alias=a")
    p = host.vmadm("list", "alias=~" + "x" * 120000, check=False)
    assert p.returncode == 1 and len(p.stderr) < 1000
    p = host.vmadm("x" * 120000, check=False)
    assert p.returncode == 2
    for command in (["create"], ["update", uuid]):
        p = host.vmadm(*command, input='{"alias": "' + "x" * (50 << 20) + '"}', check=False)
        assert p.returncode == 1 and len(p.stderr) < 1000 and len(p.stderr.splitlines()) == 1, p.stderr[:300]
    assert host.vm(uuid)["alias"] == "a"


def test_ten_thousand_tags(host):
    uuid = host.create(vmhost.quick_payload())
    ev = host.events()
    tags = {f"key-{i}": f"value {i}" for i in range(10000)}
    at = time.monotonic()
    host.vmadm("update", uuid, input=json.dumps({"set_tags": tags}))
    assert time.monotonic() - at < 5
    assert host.vm(uuid)["tags"] == tags
    e = ev.wait(lambda e: e["type"] == "modify" and len(e["changes"]) >= 10000)
    assert sum(c["path"][0] == "tags" for c in e["changes"]) in (10000, 10001)
    host.vmadm("update", uuid, input=json.dumps({"remove_tags": list(tags)}))
    assert host.vm(uuid)["tags"] == {}


def test_hostile_pattern_ends_soon(host):
    for _ in range(5):
        host.create(vmhost.quick_payload(tags={"x": "a" * 20000 + "!"}, alias="a" * 60))
    for pattern in ("(a+)+$", "(a|aa)+$", "(.*)*x", "^(a?){60}a{60}!$", "(?=(a+))*b", "(((((((a*)*)*)*)*)*)*)*b", "(?R)", "(*LIMIT_MATCH=4000000000)(a+)+$"):
        for key in ("alias", "tags.x"):
            at = time.monotonic()
            host.vmadm("list", f"{key}=~{pattern}", check=False)
            assert time.monotonic() - at < 2, pattern


ODD_VALUES = ["<&>\"'", "]]>", "a\u202eb\u200f", "日本語 ✓ 🦀", "a:b:c", "&#10;&lt;", "-x", "--", "a=b", "%s%n", "$(id)", "'; rm -rf /", " "]


@pytest.mark.parametrize("value", ODD_VALUES)
def test_odd_values_come_back_as_they_were(host, value):
    payload = vmhost.quick_payload(tags={value: value}, customer_metadata={value: value}, owner_uuid=str(uuidlib.uuid4()))
    uuid = host.create(payload)
    host.vmadm("update", uuid, input=json.dumps({"alias": value}))
    vm = host.vm(uuid)
    assert vm["tags"] == {value: value} and vm["customer_metadata"] == {value: value}
    assert vm.get("alias", "").strip() == value.strip() and "load_error" not in vm
    if value.strip():
        assert host.vmadm("lookup", f"alias={value}").stdout == uuid + "\n"
    host.stop()
    host.start()
    assert host.vm(uuid) == vm


@pytest.mark.parametrize("value", ["a\nb", "\x1b[2J\x1b]0;owned\x07", "a\rb", "\x7f", "\u009b31m", "a\tb"])
def test_terminal_is_not_written_to_by_names(host, value):
    """An alias with control characters is refused; one that came into the file another way does not reach the terminal."""
    uuid = host.create(vmhost.quick_payload(alias="before"))
    p = host.vmadm("update", uuid, input=json.dumps({"alias": value}), check=False)
    assert not [c for c in p.stderr.rstrip("\n") if ord(c) < 32 or 0x7f <= ord(c) < 0xa0]
    escaped = "".join(f"&#{ord(c)};" for c in value if c != "\x1b" and c != "\x07") + "Z"
    xml = host.path(f"/etc/zones/{uuid}.xml").read_text()
    host.replace(f"/etc/zones/{uuid}.xml", xml.replace(host.vm(uuid)["alias"] if "&#" not in xml else "before", escaped))
    host.get(f"/vms/{uuid}?sync=1")
    for args in (["list"], ["list", "-p"], ["list", "-o", "alias"]):
        out = host.vmadm(*args).stdout
        assert out.count("\n") == (1 if "-p" in args else 2), out
        assert not [c for c in out.replace("\n", "") if ord(c) < 32 or 0x7f <= ord(c) < 0xa0], out


# --- The monitor ---


def owner(path):
    st = os.lstat(path)
    return st.st_mode, st.st_uid, st.st_gid, st.st_ino, st.st_ctime_ns


@pytest.mark.parametrize("kind", ["symlink", "hard link", "socket", "fifo", "directory"])
def test_names_the_vm_puts_into_its_directory(host, bootsector, tmp_path, kind):
    """root/tmp belongs to the VM's uid. Nothing outside is opened, changed or connected to because of what it puts there."""
    uuid = vmhost.create_quick(host, bootsector)
    tmp = host.path(f"/zones/{uuid}/root/tmp")
    victim = host.root / "victim.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(victim))
    server.listen()
    secret = host.root / "secret"
    secret.write_text(SECRET)
    before = owner(victim), owner(secret)

    def put(name, what):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(tmp / name)
        if kind == "symlink":
            (tmp / name).symlink_to(what)
        elif kind == "socket":
            socket.socket(socket.AF_UNIX).bind(str(tmp / name))
        elif kind == "fifo":
            os.mkfifo(tmp / name)
        elif kind == "directory":
            (tmp / name).mkdir()

    names = ("vm.console", "vm.serial", "vm.qmp", "vm.log", "vm.log.0", "vm.pid", "vm.vnc")
    if kind != "hard link":
        for name in names:
            put(name, secret if name in ("vm.log", "vm.log.0", "vm.pid") else victim)
    p = host.vmadm("start", uuid, check=False)
    assert p.returncode == 0 or len(p.stderr.splitlines()) == 1
    if p.returncode != 0:
        assert kind in ("directory", "symlink", "fifo"), p.stderr
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                remove(tmp / name)
        host.vmadm("start", uuid)
    # while it runs: the next to connect does not follow either
    for name in ("vm.console", "vm.serial", "vm.qmp"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(tmp / name)
        if kind == "hard link":
            os.link(victim, tmp / name)
        else:
            put(name, victim)
    if kind != "socket":
        p = host.vmadm("console", uuid, input="", check=False)
        assert p.returncode == 1 and "vm.console" in p.stderr
    host.kill(uuid, "monitor")
    host.vmadm("stop", uuid, "-F", timeout=vmhost.WAIT)
    assert host.vm(uuid)["state"] == "stopped"
    assert (owner(victim)[:3], owner(victim)[3], owner(secret)) == (before[0][:3], before[0][3], before[1])
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.accept()


def test_control_socket_of_the_monitor(host, bootsector):
    uuid = vmhost.create_quick(host, bootsector)
    host.vmadm("start", uuid)
    path = str(host.path(f"/run/vmnode/zones/{uuid}.sock"))
    pid = host.state(uuid)["monitor"]["pid"]
    for text in (b"\0\xff\xfe\n", b"{}\n", b"[]\n", b"null\n", b'{"verb": 1}\n', b'{"verb": "nosuch"}\n', b'{"verb":' * 5000 + b"\n", b"x" * 60000 + b"\n"):
        with contextlib.closing(vmhost.unix_connect(path)) as s:
            s.settimeout(vmhost.WAIT)
            s.sendall(text)
            answer = json.loads(s.makefile().readline())
            assert answer["ok"] is False and answer["error"], text[:20]
    with contextlib.closing(vmhost.unix_connect(path)) as s:
        s.settimeout(vmhost.WAIT)
        with contextlib.suppress(ConnectionError):
            s.sendall(b"x" * (5 << 20))
        assert len(read_all(s)) < 1000
    socks = []
    for _ in range(100):
        socks.append(vmhost.unix_connect(path))
    ended = [s for s in socks if select.select([s], [], [], 0)[0]]
    assert host.vm(uuid)["state"] == "running" and len(ended) >= 50
    for s in socks:
        s.close()
    assert rss_mib(pid) < 30
    host.vmadm("stop", uuid, "-F")
    assert host.vm(uuid)["state"] == "stopped"


def test_console_client_that_never_reads(host, tmp_path):
    """The guest prints without end: the deaf client is dropped, the others get all, memory and the log are bounded."""
    loop = bytes.fromhex("baf803" "b078" "ee" "ebfd")  # mov dx, 0x3f8; mov al, 'x'; l: out dx, al; jmp l
    sector = tmp_path / "loop.raw"
    sector.write_bytes(loop.ljust(510, b"\0") + b"\x55\xaa")
    uuid = vmhost.create_quick(host, sector)
    host.vmadm("start", uuid)
    deaf = host.console(uuid)
    pid = host.state(uuid)["monitor"]["pid"]
    got = 0
    with contextlib.closing(host.console(uuid)) as good:
        while got < 800 << 10:
            data = good.recv(1 << 16)
            assert data
            got += len(data)
    assert len(read_all(deaf)) < 700 << 10, "it was dropped"
    assert peak_mib(pid) < 6
    many = [host.console(uuid) for _ in range(100)]
    assert host.vm(uuid)["state"] == "running"
    host.vmadm("stop", uuid, "-F")
    for s in many:
        s.close()
    assert host.vm(uuid)["state"] == "stopped"
    assert sum(f.stat().st_size for f in host.path(f"/zones/{uuid}").glob("console.log*")) <= 4 << 20  # the default of four files of 1 MiB


@pytest.mark.parametrize("name", ["console.log", "exits.jsonl"])
def test_fifo_in_place_of_what_the_monitor_writes(host, bootsector, name):
    uuid = vmhost.create_quick(host, bootsector)
    os.mkfifo(host.path(f"/zones/{uuid}/{name}"))
    p = host.vmadm("start", uuid, check=False, timeout=vmhost.WAIT)
    if name == "console.log":
        assert p.returncode == 1 and name in p.stderr and len(p.stderr.splitlines()) == 1, p.stderr
    else:
        host.vmadm("stop", uuid, "-F", timeout=vmhost.WAIT)
    assert host.vm(uuid)["state"] == "stopped"
