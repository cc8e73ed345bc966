"""The main job on a real guest: create, boot, see, change and delete."""

import json
import os
import re
import signal

import vmhost


def changed(event, path):
    return [c for c in event.get("changes", []) if c["prettyPath"] == path]


def test_whole_life(host, guest):
    ev = host.events()
    assert ev.ready["type"] == "ready" and json.loads(ev.ready["vms"]) == []
    uuid = host.create(vmhost.guest_payload(guest))

    vm = host.vm(uuid)
    assert vm["state"] == vm["zone_state"] == "running"
    assert vm["pid"] == host.state(uuid)["hypervisor"]["pid"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", vm["boot_timestamp"])
    assert vm["disks"][0]["size"] == 1024 and vm["disks"][0]["path"] == f"/zones/{uuid}-disk0.qcow2"
    assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", vm["nics"][0]["mac"])
    assert vm["quota"] == 10 and vm["machine_type"].startswith("pc-q35-")
    host.wait_console(uuid, f"guest up {uuid}")
    log = host.path(f"/zones/{uuid}/console.log").read_text(errors="replace")
    assert f"guest up {uuid}" in log

    host.vmadm("update", uuid, "quota=20", "alias=web")
    vm = host.vm(uuid)
    assert (vm["quota"], vm["alias"]) == (20, "web")
    p = host.vmadm("stop", uuid)
    assert p.stderr == f"Successfully completed stop for VM {uuid}\n" and p.stdout == ""
    vm = host.vm(uuid)
    assert vm["state"] == "stopped" and vm["exit_status"] == 0 and vm["autoboot"] is False
    assert "pid" not in vm and vm["zoneid"] is None and "transition_to" not in vm
    host.vmadm("delete", uuid)
    assert host.vmadm("get", uuid, check=False).stderr == f"zoneadm: {uuid}: No such zone configured\n"
    ev.wait(lambda e: e["type"] == "delete")

    mine = [e for e in ev.seen if e["type"] != "ready"]
    assert mine[0]["type"] == "create" and mine[-1]["type"] == "delete"
    assert [e["type"] for e in mine].count("create") == [e["type"] for e in mine].count("delete") == 1
    assert all(e["uuid"] == e["zonename"] == uuid for e in mine)
    assert [e["seq"] for e in mine] == sorted({e["seq"] for e in mine}) and len({e["epoch"] for e in mine}) == 1
    mods = [e for e in mine if e["type"] == "modify"]
    assert all(e["changes"] and "load_error" not in e["vm"] for e in mods)
    quota = [c for e in mods for c in changed(e, "quota") if c.get("oldValue") == 10]
    assert quota == [{"prettyPath": "quota", "path": ["quota"], "action": "changed", "oldValue": 10, "newValue": 20}]
    zone_states = [c["newValue"] for e in mods for c in changed(e, "zone_state")]
    assert "running" in zone_states and zone_states[-1] in ("installed", "configured", "incomplete")
    assert "stopping" in [c["newValue"] for e in mods for c in changed(e, "state")]
    alias = [e for e in mods if changed(e, "alias")]
    assert len(alias) == 1 and changed(alias[0], "quota"), "an update is one event"
    assert not list(host.path("/zones").glob(f"*{uuid}*")) and not host.path(f"/etc/zones/{uuid}.xml").exists()


def test_guest_ignores_the_button_and_is_forced_at_the_deadline(host, bootsector):
    uuid = vmhost.create_quick(host, bootsector)
    # no boot sector: firmware alone ignores the button
    volume = host.path(host.vm(uuid)["disks"][0]["path"])
    with open(volume, "r+b") as f:
        f.write(b"\0" * 512)
    host.vmadm("start", uuid)
    ev = host.events()
    p = host.popen("vmadm", "stop", uuid, "-t", "2", stderr=-1)
    e = ev.wait(lambda e: e["type"] == "modify" and e["vm"].get("state") == "stopping")
    assert e["vm"]["transition_to"] == "stopped" and e["vm"]["transition_expire"] > 1.6e12
    assert p.wait(vmhost.WAIT) == 0
    assert last_exit(host, uuid)["cause"] == "deadline_force"
    assert host.vm(uuid)["state"] == "stopped"


def last_exit(host, uuid):
    return json.loads(host.path(f"/zones/{uuid}/exits.jsonl").read_text().splitlines()[-1])


def test_graceful_stop_records_who_and_why(host, bootsector):
    uuid = vmhost.create_quick(host, bootsector)
    host.vmadm("start", uuid)
    assert host.vm(uuid)["autoboot"] is True
    host.wait_console(uuid, "R")
    host.vmadm("stop", uuid)
    e = last_exit(host, uuid)
    assert e["cause"] == "requested_stop" and e["by"]["uid"] == os.getuid() and e["by"]["program"] == "vmadm" and e["status"] == 0


def test_start_and_stop_twice_are_success(host, bootsector):
    uuid = vmhost.create_quick(host, bootsector)
    p = host.vmadm("stop", uuid)
    assert p.stderr == f"VM {uuid} is already not 'running' (currently: stopped)\n"
    host.vmadm("start", uuid)
    p = host.vmadm("start", uuid)
    assert p.stderr == f"Unable to start VM {uuid}: VM {uuid} is already 'running'\n"
    host.vmadm("stop", uuid, "-F")
    assert host.vm(uuid)["state"] == "stopped" and last_exit(host, uuid)["cause"] == "forced_stop"
    p = host.vmadm("stop", uuid, "-F")
    assert p.returncode == 0


def test_guest_poweroff_is_seen_without_a_command(host, guest):
    ev = host.events()
    uuid = host.create(vmhost.guest_payload(guest, kernel_args="console=ttyS0 quiet guest.exit=1"))
    ev.wait_change(uuid, "state", "running")
    e = ev.wait_change(uuid, "state", "stopped")
    assert e["vm"]["exit_status"] == 0 and last_exit(host, uuid)["cause"] == "guest_poweroff"
    assert host.vm(uuid)["autoboot"] is True


def test_guest_panic_is_seen(host, guest):
    ev = host.events()
    uuid = host.create(vmhost.guest_payload(guest, kernel_args="console=ttyS0 quiet guest.panic=1"))
    ev.wait_change(uuid, "state", "running")
    ev.wait_change(uuid, "state", "stopped")
    assert last_exit(host, uuid)["cause"] == "panic"


def test_frozen_hypervisor_can_be_stopped_by_force(host, bootsector):
    uuid = vmhost.create_quick(host, bootsector)
    host.vmadm("start", uuid)
    os.kill(host.state(uuid)["hypervisor"]["pid"], signal.SIGSTOP)
    host.vmadm("stop", uuid, "-F")
    assert host.vm(uuid)["state"] == "stopped"


def test_delete_of_a_running_vm(host, bootsector):
    uuid = vmhost.create_quick(host, bootsector)
    host.vmadm("start", uuid)
    p = host.vmadm("delete", uuid)
    assert p.stderr == f"Successfully deleted VM {uuid}\n"
    assert host.get("/vms") == [] and not list(host.path("/zones").glob(f"*{uuid}*"))


def test_restart_policy_and_quarantine(bare, bootsector):
    conf = bare.path("/etc/vmnode/vmnode.conf")
    conf.parent.mkdir(parents=True)
    conf.write_text("[vm]\nrestart_budget = 1\nrestart_window = 300\n")
    host = bare.start()
    uuid = vmhost.create_quick(host, bootsector, restart_policy="on-failure")
    host.vmadm("start", uuid)
    ev = host.events()
    host.kill(uuid, "hypervisor")
    e = ev.wait_change(uuid, "init_restarts", 1)
    ev.wait(lambda e: e["uuid"] == uuid and e["vm"]["zone_state"] == "running" and e["vm"].get("pid"))
    host.kill(uuid, "hypervisor")
    e = ev.wait(lambda e: e["uuid"] == uuid and e["vm"].get("quarantined"))
    assert e["vm"]["state"] == "stopped" and e["vm"]["quarantined"] is True
    host.vmadm("start", uuid)
    assert "quarantined" not in host.vm(uuid) and host.vm(uuid)["state"] == "running"


def test_fifty_rounds_leave_nothing_behind(host):
    for _ in range(50):
        uuid = host.create(vmhost.quick_payload())
        assert host.vm(uuid)["state"] == "stopped"
        host.vmadm("delete", uuid)
    left = [str(p) for d in ("/zones", "/etc/zones", "/run/vmnode/zones", "/var/lib/vmnode/ops", "/run/vmnode/ops")
            for p in host.path(d).glob("*-*-*-*-*")]
    assert left == []
