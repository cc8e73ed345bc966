import os
import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import vmhost  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out of the sanitizer run")
    config.addinivalue_line("markers", "root: becomes other users, mounts or changes a limit of the kernel; ./check leaves it out when not root")


@pytest.fixture(scope="session")
def guest():
    return vmhost.guest()


@pytest.fixture(scope="session")
def bootsector(tmp_path_factory):
    """A raw disk whose boot sector halts and obeys the power button (a guest that is up in 0.2 s)."""
    import subprocess
    out = pathlib.Path(tempfile.mkdtemp(prefix="vmnode-boot")) / "boot.raw"
    subprocess.run([str(vmhost.TOP / "tests/guests/bootsector"), str(out)], check=True)
    return out


@pytest.fixture
def bare():
    """A private root where no vminfod runs yet."""
    root = tempfile.mkdtemp(prefix="vmnode.", dir=os.environ.get("TMPDIR", "/tmp"))
    os.chmod(root, 0o755)
    h = vmhost.Host(root)
    yield h
    h.reap()


@pytest.fixture
def host(bare):
    return bare.start()
