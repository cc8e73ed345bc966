"""Changes behind our back, kills and races: what is served is what is there."""

import json
import os
import random
import select
import signal
import subprocess
import threading
import time

import pytest
import vmhost


def fresh(host):
    """What a load from the sources says, sorted by uuid (vmadm composes when vminfod does not answer)."""
    env = dict(host.env)
    p = subprocess.run([str(host.bin / "vmadm"), "lookup", "-j"], env=env, text=True, capture_output=True, check=True)
    return sorted(json.loads(p.stdout), key=lambda v: v["uuid"])


def test_every_source_changed_behind_our_back(host, bootsector):
    uuid = vmhost.create_quick(host, bootsector)
    host.vmadm("start", uuid)
    ev = host.events()

    host.replace(f"/zones/{uuid}/config/tags.json", '{"role": "db"}')
    e = ev.wait_change(uuid, "tags.role", "db")
    assert e["changes"][0] == {"prettyPath": "tags.role", "path": ["tags", "role"], "action": "added", "newValue": "db"} or \
        any(c["path"] == ["tags", "role"] and c["action"] == "added" for c in e["changes"])
    host.replace(f"/zones/{uuid}/config/metadata.json", '{"customer_metadata": {"k": 1}, "internal_metadata": {}}')
    ev.wait_change(uuid, "customer_metadata.k", 1)
    host.replace(f"/zones/{uuid}/config/routes.json", '{"10.0.0.0/8": "10.0.0.1"}')
    ev.wait_change(uuid, "routes[10.0.0.0/8]")
    os.unlink(host.path(f"/zones/{uuid}/config/tags.json"))
    ev.wait_change(uuid, "tags.role")

    xml = host.path(f"/etc/zones/{uuid}.xml").read_text()
    host.replace(f"/etc/zones/{uuid}.xml", xml.replace('name="ram" type="string" value="64"', 'name="ram" type="string" value="65"'))
    ev.wait_change(uuid, "ram", 65)
    pool = host.path(f"/zones/.pool/{uuid}.json")
    facts = json.loads(pool.read_text())
    facts["quota"] = 7 << 30
    host.replace(f"/zones/.pool/{uuid}.json", json.dumps(facts))
    ev.wait_change(uuid, "quota", 7)
    volume = host.vm(uuid)["disks"][0]["path"]

    host.kill(uuid, "hypervisor")
    e = ev.wait_change(uuid, "state", "stopped")
    assert e["vm"]["exit_status"] == -9
    last = json.loads(host.path(f"/zones/{uuid}/exits.jsonl").read_text().splitlines()[-1])
    assert last["cause"] == "signal"
    host.replace(f"/zones/{uuid}/lastexited", "1500000000.123 256")
    e = ev.wait_change(uuid, "exit_status", 1)
    assert e["vm"]["exit_timestamp"] == "2017-07-14T02:40:00.123Z"
    os.unlink(host.path(volume))
    ev.wait(lambda e: e["uuid"] == uuid and e["vm"]["disks"][0].get("missing") is True)

    index = host.path("/etc/zones/index")
    lines = index.read_text().splitlines(keepends=True)
    host.replace("/etc/zones/index", "".join(x for x in lines if uuid not in x))
    e = ev.wait(lambda e: e["uuid"] == uuid and "load_error" in e["vm"])
    assert e["type"] == "modify" and e["vm"]["load_error"]["file"] == "/etc/zones/index"
    os.unlink(host.path(f"/etc/zones/{uuid}.xml"))
    ev.wait(lambda e: e["type"] == "delete" and e["uuid"] == uuid)
    assert host.get("/vms") == []


def test_broken_xml_of_one_vm(host):
    good, bad = host.create(vmhost.quick_payload()), host.create(vmhost.quick_payload(alias="bad"))
    ev = host.events()
    host.replace(f"/etc/zones/{bad}.xml", "<zone name='x'\n  <broken")
    e = ev.wait(lambda e: e["uuid"] == bad and "load_error" in e.get("vm", {}))
    assert e["type"] == "modify" and e["vm"]["alias"] == "bad"
    assert e["vm"]["load_error"]["file"] == f"/etc/zones/{bad}.xml" and e["vm"]["load_error"]["line"] == 2
    assert {v["uuid"] for v in host.get("/vms")} == {good, bad}
    host.stop()
    host.start()
    vms = {v["uuid"]: v for v in host.get("/vms")}
    assert set(vms) == {good, bad} and "load_error" in vms[bad] and "load_error" not in vms[good]
    assert host.vmadm("delete", bad).returncode == 0
    assert [v["uuid"] for v in host.get("/vms")] == [good]


@pytest.mark.parametrize("text", ["", "global:installed:/", "garbage\n", "\0\0\0"])
def test_unreadable_index_deletes_nothing(host, text):
    uuid = host.create(vmhost.quick_payload())
    ev = host.events()
    old = host.path("/etc/zones/index").read_text()
    host.replace("/etc/zones/index", text)
    host.get("/vms?sync=1")
    assert [v["uuid"] for v in host.get("/vms")] == [uuid]
    host.replace("/etc/zones/index", old)
    assert "load_error" not in host.get(f"/vms/{uuid}?sync=1")
    assert not [e for e in ev.seen if e["type"] == "delete"]


def test_invalid_json_is_an_error_and_never_empty(host):
    uuid = host.create(vmhost.quick_payload(tags={"a": "b"}))
    ev = host.events()
    host.replace(f"/zones/{uuid}/config/tags.json", "{broken")
    e = ev.wait(lambda e: "load_error" in e.get("vm", {}))
    assert e["vm"]["tags"] == {"a": "b"} and e["vm"]["load_error"]["file"].endswith("/config/tags.json")
    host.replace(f"/zones/{uuid}/config/tags.json", '{"a": "c"}')
    e = ev.wait(lambda e: "load_error" not in e.get("vm", {}))
    assert e["vm"]["tags"] == {"a": "c"}


def test_read_after_write_1000_updates(host):
    uuid = host.create(vmhost.quick_payload())
    rnd = random.Random(7)
    stop = threading.Event()
    halves = []

    def poll():
        while not stop.is_set():
            vm = host.get(f"/vms/{uuid}")
            # every update sets these three to one value: a mixture is half an update
            seen = {vm.get("alias"), str(vm.get("tags", {}).get("n")), str(vm["customer_metadata"].get("n"))}
            if len(seen) != 1 and vm.get("alias"):
                halves.append(seen)

    reader = threading.Thread(target=poll)
    host.vmadm("update", uuid, input=json.dumps({"alias": "0", "quota": 1, "set_tags": {"n": "0"}, "set_customer_metadata": {"n": "0"}}))
    reader.start()
    try:
        for i in range(1000):
            n, quota = str(rnd.randrange(10**6)), rnd.randrange(1, 1000)
            host.vmadm("update", uuid, input=json.dumps(
                {"alias": n, "quota": quota, "set_tags": {"n": n}, "set_customer_metadata": {"n": n}}))
            vm = host.vm(uuid)
            assert (vm["alias"], vm["quota"], vm["tags"]["n"], vm["customer_metadata"]["n"]) == (n, quota, n, n), i
    finally:
        stop.set()
        reader.join()
    assert halves == []


def test_noop_update_touches_nothing(host):
    uuid = host.create(vmhost.quick_payload(alias="a"))
    files = [host.path(f"/etc/zones/{uuid}.xml"), *host.path(f"/zones/{uuid}/config").iterdir(), host.path(f"/zones/.pool/{uuid}.json")]
    before = [f.stat().st_mtime_ns for f in files]
    ev = host.events()
    host.vmadm("update", uuid, "alias=a", "quota=10")
    assert [f.stat().st_mtime_ns for f in files] == before
    host.vmadm("update", uuid, "alias=b")
    assert ev.next()["vm"]["alias"] == "b"


def test_every_effective_update_moves_last_modified(host):
    """Also one that changes no configuration file: the quota is a property of the dataset."""
    uuid = host.create(vmhost.quick_payload())
    xml = host.path(f"/etc/zones/{uuid}.xml")
    files = [xml, *host.path(f"/zones/{uuid}/config").iterdir()]
    for f in files:
        os.utime(f, (1500000000, 1500000000))
    assert host.get(f"/vms/{uuid}?sync=1")["last_modified"] == "2017-07-14T02:40:00.000Z"
    ev = host.events()
    host.vmadm("update", uuid, "quota=20")
    event = ev.next()
    assert {c["prettyPath"] for c in event["changes"]} == {"quota", "last_modified"}
    assert event["vm"]["last_modified"] > "2026"


@pytest.mark.parametrize("moment", ["before-create", "created", "running", "after-stop"])
def test_vminfod_killed_in_every_phase(host, bootsector, moment):
    if moment == "before-create":
        host.stop(signal.SIGKILL)
        p = subprocess.run([str(host.bin / "vmadm"), "list"], env=host.env, text=True, capture_output=True)
        assert p.returncode == 0 and len(p.stderr.splitlines()) == 1 and "vminfod" in p.stderr
        host.start()
    uuid = vmhost.create_quick(host, bootsector)
    if moment == "created":
        host.stop(signal.SIGKILL)
        host.start()
    host.vmadm("start", uuid)
    con = host.console(uuid)
    seen = b""
    while b"R" not in seen:  # the guest obeys the button from here on
        seen += con.recv(4096)
    pid = host.vm(uuid)["pid"]
    if moment == "running":
        host.stop(signal.SIGKILL)
        composed = fresh(host)
        host.start()
        assert sorted(host.get("/vms"), key=lambda v: v["uuid"]) == [
            {k: v for k, v in vm.items() if k != "type"} for vm in composed]
    assert host.vm(uuid)["pid"] == pid
    host.vmadm("stop", uuid)
    while data := con.recv(4096):
        seen += data
    assert b"P" in seen, "the console went on"
    if moment == "after-stop":
        host.stop(signal.SIGKILL)
        host.start()
    assert host.vm(uuid)["state"] == "stopped"


def test_monitor_killed_vm_goes_on_and_is_adopted(host, bootsector):
    uuid = vmhost.create_quick(host, bootsector)
    host.vmadm("start", uuid)
    pid = host.vm(uuid)["pid"]
    host.wait_console(uuid, "R")
    host.kill(uuid, "monitor")
    vm = host.get(f"/vms/{uuid}?sync=1")
    assert vm["state"] == "running" and vm["pid"] == pid
    host.vmadm("stop", uuid)
    assert host.vm(uuid)["state"] == "stopped" and host.vm(uuid)["exit_status"] == 0


def test_monitor_and_hypervisor_killed(host, bootsector):
    uuid = vmhost.create_quick(host, bootsector)
    host.vmadm("start", uuid)
    ev = host.events()
    st = host.state(uuid)
    fds = [os.pidfd_open(st[w]["pid"]) for w in ("monitor", "hypervisor")]
    for fd in fds:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
    for fd in fds:
        assert select.select([fd], [], [], vmhost.WAIT)[0]
        os.close(fd)
    e = ev.wait(lambda e: e["uuid"] == uuid and e["vm"]["state"] == "stopped")
    host.vmadm("start", uuid)
    causes = [json.loads(x)["cause"] for x in host.path(f"/zones/{uuid}/exits.jsonl").read_text().splitlines()]
    assert causes == ["monitor_lost"] and host.vm(uuid)["state"] == "running"


def test_two_creates_with_one_uuid(host):
    payload = vmhost.quick_payload(uuid="11111111-2222-4333-8444-555555555555")
    ps = [host.popen("vmadm", "create", stdin=-1, stderr=-1) for _ in range(6)]
    outs = [None] * len(ps)
    threads = [threading.Thread(target=lambda i=i: outs.__setitem__(i, ps[i].communicate(json.dumps(payload)))) for i in range(len(ps))]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sorted(p.returncode for p in ps) == [0] + [1] * 5
    assert all(e == f"VM with UUID {payload['uuid']} already exists\n" for p, (_, e) in zip(ps, outs) if p.returncode)
    assert host.vm(payload["uuid"])["state"] == "stopped"


def test_index_written_by_50_creates_at_once(host):
    ps = [host.popen("vmadm", "create", stdin=-1, stderr=-1) for _ in range(50)]
    for p in ps:
        p.stdin.write(json.dumps(vmhost.quick_payload()))
        p.stdin.close()
    assert [(p.wait(vmhost.WAIT), p.stderr.read())[0] for p in ps] == [0] * 50
    rows = [x for x in host.path("/etc/zones/index").read_text().splitlines() if x and not x.startswith("#")]
    assert len(rows) == 51 and len(host.get("/vms")) == 50
    assert len({v["zonedid"] for v in host.get("/vms")}) == 50


def test_events_equal_the_state_after_a_storm(host):
    """A mirror kept from the events alone equals /vms."""
    ev = host.events()
    uuids = [host.create(vmhost.quick_payload()) for _ in range(5)]
    for i in range(40):
        host.vmadm("update", uuids[i % 5], f"alias=a{i}")
    host.vmadm("delete", uuids[0])
    ev.wait(lambda e: e["type"] == "delete")
    mirror = {v["uuid"]: v for v in json.loads(ev.ready["vms"])}
    for e in ev.seen[1:]:
        if e["type"] == "delete":
            del mirror[e["uuid"]]
        else:
            mirror[e["uuid"]] = e["vm"]
    assert mirror == {v["uuid"]: v for v in host.get("/vms")}


@pytest.mark.root
def test_disk_full_during_create(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=320k,mode=755", "none", str(small)], check=True)
    host = vmhost.Host(small)
    try:
        host.start()
        uuid = host.create(vmhost.quick_payload())
        filler = open(small / "filler", "wb", buffering=0)
        with pytest.raises(OSError):
            while True:
                filler.write(b"x" * 4096)
        before = sorted(str(p) for p in small.rglob("*"))
        p = host.vmadm("create", input=json.dumps(vmhost.quick_payload()), check=False)
        assert p.returncode == 1 and "No space left on device" in p.stderr and len(p.stderr.splitlines()) == 1
        filler.close()
        os.unlink(small / "filler")
        assert [v["uuid"] for v in host.get("/vms?sync=1")] == [uuid]
        after = sorted(str(p) for p in small.rglob("*"))
        assert [p for p in after if p not in before and ".lock" not in p] == []
        host.create(vmhost.quick_payload())
    finally:
        host.stop(signal.SIGKILL)
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_interrupt_during_create(host):
    """Ctrl-C at any moment: the VM is whole or not there."""
    for delay in range(0, 30, 3):
        p = host.popen("vmadm", "create", stdin=-1, stderr=-1)
        p.stdin.write(json.dumps(vmhost.quick_payload()))
        p.stdin.close()
        select.select([], [], [], delay / 1000)
        p.send_signal(signal.SIGINT)
        p.wait(vmhost.WAIT)
        vms = host.get("/vms?sync=1")
        assert len(vms) == (1 if p.returncode == 0 else 0), p.stderr.read()
        assert not vms or vms[0]["state"] == "stopped"
        for vm in vms:
            host.vmadm("delete", vm["uuid"])
        assert not list(host.path("/zones").glob("*-*-*"))


def test_long_root(bootsector, tmp_path):
    root = tmp_path / ("r" * (200 - len(str(tmp_path)) - 1))
    assert len(str(root)) >= 200
    os.chmod(tmp_path, 0o755)
    host = vmhost.Host(root)
    try:
        host.start()
        uuid = vmhost.create_quick(host, bootsector)
        host.vmadm("start", uuid)
        assert host.vm(uuid)["state"] == "running"
        host.wait_console(uuid, "R")
        host.vmadm("stop", uuid)
    finally:
        host.reap()


def test_full_scan_finds_what_no_event_told(bare):
    host = bare.start("--scan-interval", "3600")
    uuid = host.create(vmhost.quick_payload())
    ev = host.events()
    # an overwrite in place, seen by inotify or not: SIGHUP asks for a full scan
    host.path(f"/zones/{uuid}/config/tags.json").write_text('{"x": "y"}')
    host.daemon.send_signal(signal.SIGHUP)
    ev.wait_change(uuid, "tags.x", "y")
