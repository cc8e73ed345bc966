"""An ordinary user has a whole host in a directory of his own."""

import json
import os
import subprocess
import tempfile

import pytest
import vmhost

pytestmark = pytest.mark.root
USER, OTHER = 65534, 65533
SECRET = "s3cret-v"


@pytest.fixture
def mine():
    """A root that belongs to an ordinary user, as whom everything below runs."""
    root = tempfile.mkdtemp(prefix="vmnode.", dir=os.environ.get("TMPDIR", "/tmp"))
    os.chmod(root, 0o755)
    h = vmhost.Host(root, uid=USER)
    yield h.start()
    h.reap()


def other(host, *argv, **kw):
    return subprocess.run([*map(str, argv)], env=host.env, text=True, capture_output=True, timeout=vmhost.WAIT, user=OTHER, group=OTHER,
                          extra_groups=[], **kw)


def fetch(host, path):
    """What another user's browser gets."""
    code = "import sys,urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"
    p = other(host, "/usr/bin/python3", "-c", code, f"http://127.0.0.1:{host.port}{path}")
    assert p.returncode == 0, p.stderr
    return json.loads(p.stdout)


def owners(host):
    """Of all that the programs made; the log of vminfod is the test's own."""
    return {p.lstat().st_uid for p in host.root.rglob("*") if p.name != "vminfod.log"}


def test_whole_life(mine, guest):
    events = mine.popen("vmadm", "events", "-j", "-r", stdout=subprocess.PIPE)
    assert json.loads(events.stdout.readline())["type"] == "ready"
    uuid = mine.create(vmhost.guest_payload(guest))
    vm = mine.vm(uuid)
    assert vm["state"] == "running" and os.stat(f"/proc/{vm['pid']}").st_uid == USER
    assert os.stat(f"/proc/{mine.state(uuid)['monitor']['pid']}").st_uid == USER
    mine.wait_console(uuid, f"guest up {uuid}")
    assert mine.run("vmadm", "list", "-H", "-o", "uuid,state").stdout.split() == [uuid, "running"]

    console = mine.popen("vmadm", "console", uuid, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    while f"guest up {uuid}" not in console.stdout.readline():
        pass
    console.stdin.write("\x1d")
    console.stdin.close()
    assert console.wait(vmhost.WAIT) == 0
    console.stdout.close()

    mine.vmadm("update", uuid, "alias=web", "quota=20")
    vm = mine.vm(uuid)
    assert (vm["alias"], vm["quota"]) == ("web", 20)
    mine.vmadm("stop", uuid)
    vm = mine.vm(uuid)
    assert vm["state"] == "stopped" and vm["exit_status"] == 0
    assert owners(mine) == {USER}
    mine.vmadm("delete", uuid)
    assert json.loads(mine.vmadm("lookup", "-j").stdout) == [] and not list(mine.root.rglob(f"*{uuid}*"))
    seen = []
    for line in events.stdout:
        seen.append(json.loads(line))
        if seen[-1]["type"] == "delete":
            break
    events.terminate()
    events.wait(vmhost.WAIT)
    events.stdout.close()
    assert seen[0]["type"] == "create" and {e["uuid"] for e in seen} == {uuid}


def test_what_another_ordinary_user_gets(mine, bootsector):
    uuid = vmhost.create_quick(mine, bootsector, customer_metadata={"k": SECRET}, vnc_password=SECRET)
    mine.vmadm("start", uuid)
    assert mine.vm(uuid)["customer_metadata"] == {"k": SECRET}
    theirs = fetch(mine, f"/vms/{uuid}")
    assert theirs["uuid"] == uuid and theirs["state"] == "running" and SECRET not in json.dumps(theirs)

    connect = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])"
    for name in ("/run/vmnode/vminfod.sock", f"/run/vmnode/zones/{uuid}.sock", f"/zones/{uuid}/root/tmp/vm.console",
                 f"/zones/{uuid}/root/tmp/vm.qmp"):
        p = other(mine, "/usr/bin/python3", "-c", connect, mine.path(name))
        assert p.returncode != 0 and "PermissionError" in p.stderr, name
    for name in (f"/etc/zones/{uuid}.xml", f"/zones/{uuid}/config/metadata.json", mine.vm(uuid)["disks"][0]["path"],
                 f"/zones/{uuid}/console.log"):
        assert mine.path(name).exists(), name
        assert other(mine, "cat", mine.path(name)).returncode != 0, name

    for command in (["create"], ["update", uuid, "alias=x"], ["start", uuid], ["stop", uuid, "-F"], ["delete", uuid]):
        p = other(mine, mine.bin / "vmadm", *command, input="{}")
        assert p.returncode == 2 and "cannot write" in p.stderr and len(p.stderr.splitlines()) == 1, p.stderr
    assert mine.vm(uuid)["state"] == "running"
    mine.vmadm("stop", uuid, "-F")
    mine.vmadm("delete", uuid)


def test_a_monitor_that_was_killed_is_replaced(mine, bootsector):
    uuid = vmhost.create_quick(mine, bootsector)
    mine.vmadm("start", uuid)
    pid = mine.vm(uuid)["pid"]
    mine.wait_console(uuid, "R")
    mine.kill(uuid, "monitor")
    p = mine.vmadm("start", uuid)
    assert "already 'running'" in p.stderr and mine.vm(uuid)["pid"] == pid
    mine.stop()
    mine.start()
    assert mine.vm(uuid)["pid"] == pid
    mine.vmadm("stop", uuid)
    assert mine.vm(uuid)["exit_status"] == 0


def test_a_root_that_cannot_be_written(mine):
    """That is all that "must be root" means."""
    p = mine.run("vmadm", "--root", "/", "create", input="{}", check=False)
    assert p.returncode == 2 and p.stderr.startswith("FATAL: cannot run because: cannot write ") and len(p.stderr.splitlines()) == 1
