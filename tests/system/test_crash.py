"""Every step of every operation fails or is killed, and programs are killed at random instants: the next command settles it."""

import contextlib
import itertools
import json
import os
import pathlib
import random
import re
import select
import signal
import subprocess

import pytest
import vmhost

SEED = int(os.environ.get("VMNODE_SEED", "1"))
UUIDS = (f"{n:08x}-1111-4222-8333-444444444444" for n in itertools.count(1))


# --- which steps there are: read from the sources, so that a new step is tested from its first day ---

def steps():
    """(operation, step), in order: rows of step tables and single fault points."""
    found = []
    for file in sorted((vmhost.TOP / "src/ops").glob("*.c")):
        text = file.read_text()
        names = dict(re.findall(r'^#define (\w+)\s+"(\w+)"$', text, re.M))
        for table in re.findall(r"static const struct step \w+\[\] = \{\n(.*?)\n\};", text, re.S):
            for word in re.findall(r'^\t\{ ("?\w+"?),', table, re.M):
                found.append((file.stem, names.get(word) or word.strip('"')))
        found += [(file.stem, name) for name in re.findall(r'step_fault\(j->name, "(\w+)"', text)]
    return found


STEPS = steps()
faults = pytest.mark.skipif(b"VMNODE_FAULT" not in (vmhost.BIN / "vmadm").read_bytes(),
                            reason="the programs were built without -Dfaults=true")


def test_the_steps_are_found():
    assert {op for op, _ in STEPS} == {"create", "delete", "start", "stop", "update"}
    assert ("create", "installed") in STEPS and ("stop", "force") in STEPS and ("update", "add_volumes") in STEPS


# --- what must be true whatever happened ---

def faulty(host, fault, *args, input=None):
    """vmadm with a fault; returns the finished process."""
    return subprocess.run([str(host.bin / "vmadm"), *map(str, args)], input=input, env=dict(host.env, VMNODE_FAULT=fault),
                          text=True, capture_output=True, timeout=vmhost.WAIT * 2)


def fresh(host):
    """A load from the sources by a vmadm that cannot reach vminfod."""
    run = host.path("/run/vmnode")
    names = [run / "vminfod.sock", run / "vminfod.port"]
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.rename(name, f"{name}.hidden")
    try:
        p = subprocess.run([str(host.bin / "vmadm"), "lookup", "-j"], env=host.env, text=True, capture_output=True, check=True)
        assert "vminfod" in p.stderr, "vminfod answered, so this is no fresh load"
    finally:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{name}.hidden", name)
    return by_uuid(json.loads(p.stdout))


def by_uuid(vms):
    """Objects without what only the command line adds. Of a VM with a broken source vminfod keeps the last good object, which
    a fresh load cannot know: there the error is what must be equal."""
    return {vm["uuid"]: {k: v for k, v in vm.items() if k in ("uuid", "load_error") or "load_error" not in vm and k != "type"}
            for vm in vms}


def served(host):
    return by_uuid(host.get("/vms?sync=1"))


def assert_truth(host, uuid):
    """vminfod serves what is there, and `get` says so or that there is no such VM."""
    composed = fresh(host)
    assert served(host) == composed
    p = host.vmadm("get", uuid, check=False)
    if uuid in composed:
        assert p.returncode == 0
        assert by_uuid([json.loads(p.stdout)])[uuid] == composed[uuid]
    else:
        assert p.returncode == 1 and p.stderr == f"zoneadm: {uuid}: No such zone configured\n"
    return composed.get(uuid)


def hypervisors(host):
    """pids of every hypervisor with a directory of this root, by uuid: from /proc, whatever any file says."""
    found = {}
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (proc / "cmdline").read_bytes().split(b"\0")
            guest = [w for w in words if w.startswith(b"guest=")]
            if guest and os.readlink(proc / "cwd").startswith(str(host.root) + "/"):
                found.setdefault(guest[0].decode()[6:42], []).append(int(proc.name))
    return found


def uid_registry():
    file = pathlib.Path("/var/lib/vmnode/uids")
    return file.read_text() if file.exists() else ""


def leftovers(host, uuid):
    """Names with the uuid anywhere below the root, and other traces."""
    names = [str(p.relative_to(host.root)) for p in host.root.rglob(f"*{uuid}*")]
    traces = [line for line in uid_registry().splitlines() if str(host.root) in line and uuid in line]
    index = [x for x in host.path("/etc/zones/index").read_text().splitlines() if uuid in x]
    return names + traces + index + [f"hypervisor {pid}" for pid in hypervisors(host).get(uuid, [])]


def assert_deleted(host, uuid):
    p = host.vmadm("delete", uuid, check=False)
    assert p.returncode == 0 or p.stderr.endswith(f"VM {uuid} not found\n"), p.stderr
    assert leftovers(host, uuid) == []
    assert uuid not in served(host)


def assert_story(events, uuid):
    """At most one create, then at most one delete, which comes when nothing of the VM is served any more."""
    story = [e["type"] for e in events if e.get("uuid") == uuid]
    assert re.fullmatch(r"(create( modify)*( delete)?)?", " ".join(story)), story
    return story


def vms_of(events):
    return {e["uuid"] for e in events if e["type"] != "ready"}


def ended_as_told(p, what):
    if what == "kill":
        assert p.returncode == -signal.SIGKILL, (p.returncode, p.stderr)
    else:
        assert p.returncode == 1 and "fails as VMNODE_FAULT says" in p.stderr, (p.returncode, p.stderr)


def follow(host, ev):
    """Read events up to one caused by a change after everything else."""
    mark = host.create({"brand": "kvm", "ram": 64, "autoboot": False})
    ev.wait(lambda e: e["type"] == "create" and e["uuid"] == mark)
    host.vmadm("delete", mark)
    ev.wait(lambda e: e["type"] == "delete" and e["uuid"] == mark)
    return ev.seen


# --- a fault in every step ---

def payload_of(uuid):
    disks = [{"size": 1, "model": "virtio", "format": "raw"}, {"size": 1, "model": "virtio", "format": "raw"}]
    return vmhost.quick_payload(uuid=uuid, alias="old", disks=disks)


def volumes(host, uuid):
    """Paths, also of what a killed creation left."""
    return {"/zones/" + p.name for p in host.path("/zones").glob(f"*{uuid}-disk*")}


def disk_paths(vm):
    return {d["path"] for d in vm.get("disks", [])}


@faults
@pytest.mark.parametrize("what", ["fail", "kill"])
def test_create(host, what):
    ev = host.events()
    for step in [s for op, s in STEPS if op == "create"]:
        uuid = next(UUIDS)
        payload = json.dumps(payload_of(uuid))
        ended_as_told(faulty(host, f"create:{step}:{what}", "create", input=payload), what)
        vm = assert_truth(host, uuid)
        if what == "fail":
            assert vm is None and leftovers(host, uuid) == []
            host.vmadm("create", input=payload)
        else:
            p = host.vmadm("create", input=payload, check=False)
            assert p.returncode == 0 or p.stderr == f"VM with UUID {uuid} already exists\n", p.stderr
        vm = assert_truth(host, uuid)
        assert vm["state"] == "stopped" and disk_paths(vm) == volumes(host, uuid), (step, vm["state"])
        assert_deleted(host, uuid)
    for step in [s for op, s in STEPS if op == "create"] if what == "kill" else []:
        uuid = next(UUIDS)
        faulty(host, f"create:{step}:kill", "create", input=json.dumps(payload_of(uuid)))
        assert_deleted(host, uuid)
    seen = follow(host, ev)
    for uuid in vms_of(seen):
        story = [e["type"] for e in seen if e.get("uuid") == uuid]
        assert re.fullmatch(r"(create( modify)*( delete) ?)*", " ".join(story)), story


@faults
@pytest.mark.parametrize("what", ["fail", "kill"])
def test_update(host, what):
    ev = host.events()
    for step in [s for op, s in STEPS if op == "update"]:
        uuid = next(UUIDS)
        host.create(payload_of(uuid))
        old = served(host)[uuid]
        change = {"alias": "new", "quota": 20, "set_tags": {"role": "db"}, "add_disks": payload_of(uuid)["disks"][:1],
                  "remove_disks": [old["disks"][1]["path"]]}
        if step == "touch":  # the step of an update that changes neither configuration nor files
            change = {"quota": 20}
        ended_as_told(faulty(host, f"update:{step}:{what}", "update", uuid, input=json.dumps(change)), what)
        vm = assert_truth(host, uuid)
        if what == "fail" and step != "remove_volumes":
            assert {**vm, "last_modified": 0} == {**old, "last_modified": 0}
            assert volumes(host, uuid) == disk_paths(old)
        host.vmadm("update", uuid, "alias=again")
        vm = assert_truth(host, uuid)
        assert vm["alias"] == "again" and disk_paths(vm) == volumes(host, uuid), "a volume leaked"
        assert not any(d.get("missing") for d in vm["disks"])
        assert list(host.path("/run/vmnode/ops").iterdir()) == []
        assert_deleted(host, uuid)
    for uuid in vms_of(follow(host, ev)):
        assert assert_story(ev.seen, uuid)[-1] == "delete"


@faults
@pytest.mark.parametrize("what", ["fail", "kill"])
def test_delete(host, what):
    ev = host.events()
    for step in [s for op, s in STEPS if op == "delete"]:
        uuid = next(UUIDS)
        host.create(payload_of(uuid))
        ended_as_told(faulty(host, f"delete:{step}:{what}", "delete", uuid), what)
        vm = assert_truth(host, uuid)
        follow(host, ev)
        assert ("delete" in assert_story(ev.seen, uuid)) == (vm is None)
        p = host.vmadm("start", uuid, check=False)
        assert p.returncode in (0, 1) and len(p.stderr.splitlines()) == 1, p.stderr
        assert_truth(host, uuid)
        assert_deleted(host, uuid)
    for uuid in vms_of(follow(host, ev)):
        assert assert_story(ev.seen, uuid)[-1] == "delete"


@faults
@pytest.mark.parametrize("what", ["fail", "kill"])
def test_start(host, bootsector, what):
    for step in [s for op, s in STEPS if op == "start"]:
        uuid = vmhost.create_quick(host, bootsector)
        ended_as_told(faulty(host, f"start:{step}:{what}", "start", uuid), what)
        assert_truth(host, uuid)
        p = host.vmadm("start", uuid, check=False)
        assert p.returncode == 0 or p.stderr == f"Unable to start VM {uuid}: VM {uuid} is already 'running'\n", p.stderr
        vm = assert_truth(host, uuid)
        assert vm["state"] == "running" and vm["autoboot"] is True and hypervisors(host) == {uuid: [vm["pid"]]}
        assert_deleted(host, uuid)


@faults
@pytest.mark.parametrize("what", ["fail", "kill"])
def test_stop(host, bootsector, what):
    for step in [s for op, s in STEPS if op == "stop"]:
        uuid = vmhost.create_quick(host, bootsector)
        host.vmadm("start", uuid)
        host.wait_console(uuid, "R")
        force = ["-F"] if step == "force" else []
        ended_as_told(faulty(host, f"stop:{step}:{what}", "stop", uuid, *force), what)
        assert_truth(host, uuid)
        host.vmadm("stop", uuid, *force)
        host.vmadm("stop", uuid)
        vm = assert_truth(host, uuid)
        assert vm["state"] == "stopped" and "transition_to" not in vm and vm["autoboot"] is False and hypervisors(host) == {}
        assert list(host.path("/run/vmnode/ops").iterdir()) == []
        assert_deleted(host, uuid)


# --- kill -9 at random instants ---

def killed_after(host, rng, longest_ms, *args, input=None):
    p = host.popen("vmadm", *args, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with contextlib.suppress(BrokenPipeError):
        p.stdin.write(input or "")
        p.stdin.close()
    fd = os.pidfd_open(p.pid)
    select.select([fd], [], [], rng.uniform(0, longest_ms) / 1000)
    os.close(fd)
    p.kill()
    p.wait()
    p.stderr.close()
    return p.returncode


@pytest.mark.slow
def test_vmadm_killed_at_random_instants(host):
    rng = random.Random(SEED)
    for _ in range(60):
        uuid = next(UUIDS)
        payload = json.dumps(payload_of(uuid))
        killed_after(host, rng, 25, "create", input=payload)
        assert_truth(host, uuid)
        p = host.vmadm("create", input=payload, check=False)
        assert p.returncode == 0 or p.stderr == f"VM with UUID {uuid} already exists\n", p.stderr
        path = assert_truth(host, uuid)["disks"][1]["path"]
        killed_after(host, rng, 20, "update", uuid, input=json.dumps(
            {"alias": "new", "set_tags": {"a": 1}, "add_disks": payload_of(uuid)["disks"][:1], "remove_disks": [path]}))
        host.vmadm("update", uuid, "quota=30")
        vm = assert_truth(host, uuid)
        assert vm["quota"] == 30 and disk_paths(vm) == volumes(host, uuid)
        killed_after(host, rng, 20, "delete", uuid)
        assert_truth(host, uuid)
        assert_deleted(host, uuid)
    assert served(host) == {}


@pytest.mark.slow
def test_vminfod_killed_while_updates_run(host):
    rng = random.Random(SEED)
    uuids = [host.create(vmhost.quick_payload()) for _ in range(3)]
    for i in range(10):
        writers = [host.popen("vmadm", "update", u, f"alias=a{i}", f"quota={i + 10}", stderr=subprocess.PIPE) for u in uuids]
        select.select([], [], [], rng.uniform(0, 20) / 1000)
        host.stop(signal.SIGKILL)
        assert [(p.wait(vmhost.WAIT), p.stderr.read())[0] for p in writers] == [0, 0, 0]
        host.start()
        composed = fresh(host)
        assert by_uuid(host.get("/vms")) == composed, "without waiting for any load"
        assert {vm["quota"] for vm in composed.values()} == {i + 10}


def monitors_of(host, uuid):
    """pids of the monitors (and of what they are before they are a hypervisor)."""
    found = []
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (proc / "cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"vm-monitor") and uuid.encode() in words:
                found.append(int(proc.name))
    return found


def kill_and_wait(pid):
    with contextlib.suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        assert select.select([fd], [], [], vmhost.WAIT)[0]
        os.close(fd)


@pytest.mark.slow
def test_monitor_killed_at_random_instants_of_start(host, bootsector):
    rng = random.Random(SEED)
    for i in range(20):
        uuid = vmhost.create_quick(host, bootsector)
        p = host.popen("vmadm", "start", uuid, stderr=subprocess.PIPE)
        while p.poll() is None and not (pids := monitors_of(host, uuid)):
            pass
        select.select([], [], [], rng.uniform(0, 120) / 1000)
        for pid in monitors_of(host, uuid)[:1]:
            kill_and_wait(pid)
        p.wait(vmhost.WAIT)
        p.stderr.close()
        if i % 3 == 0:
            host.vmadm("start", uuid, check=False)
            running = hypervisors(host)
            assert list(running) == [uuid] and len(running[uuid]) == 1, running
            assert assert_truth(host, uuid)["state"] == "running"
            host.wait_console(uuid, "R")
            host.vmadm("stop", uuid)
        elif i % 3 == 1:
            host.vmadm("stop", uuid, "-F")
        else:
            host.vmadm("delete", uuid)
        assert hypervisors(host) == {}
        assert_deleted(host, uuid)
