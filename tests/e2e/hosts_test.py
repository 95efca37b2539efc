#!/usr/bin/env python3
"""Ranks on several hosts (network namespaces), whose networks and names are as clusters have them; the example of docs/hosts.md."""
import json
import os
import re
import signal
import subprocess
import time
import unittest

import hosts
import weft
from grpc_server import TINY, descendants

WHY_NOT = hosts.why_not()
NETWORK = {"a": "10.0.0.1/24", "b": "10.0.0.2/24"}
BRIDGE = ("ip link add docker0 type bridge && ip address add 172.17.0.1/16 dev docker0 && ip link set docker0 up && "
          "ip link add container type veth peer name inside && ip link set container master docker0 up && ip link set inside up")


def example():
    """The hostfile and the commands of docs/hosts.md."""
    text = weft.read_text(os.path.join(weft.SOURCE, "docs", "hosts.md"))
    hostfile, = re.findall(r"```\n(.*?)```", text, re.S)
    commands, = re.findall(r"```sh\n(.*?)```", text, re.S)
    return hostfile, [re.sub(r"\bweft (?=generate|serve|client)", f"{weft.BIN} ", line).replace("MODEL", TINY)
                      for line in commands.splitlines()]


HOSTFILE, (GENERATE, SERVE, CLIENT) = example()


@unittest.skipIf(WHY_NOT, WHY_NOT)
class SeveralHosts(unittest.TestCase):
    def start(self, host_names=("alpha", "beta")):
        cluster = hosts.Hosts(dict(zip("ab", host_names)), [NETWORK])
        self.addCleanup(cluster.close)
        with open(os.path.join(cluster.folder.name, "hosts"), "w", encoding="utf-8") as f:
            f.write(HOSTFILE)
        return cluster

    def on_a(self, cluster, command):
        env = dict(os.environ, OMPI_MCA_plm_rsh_agent=cluster.agent, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   WEFT_PIN="0")
        process = subprocess.Popen([*cluster.inside("a"), "sh", "-c", f"cd {cluster.folder.name} && exec {command}"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                                   start_new_session=True)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def answers(self, cluster):
        """Both ways of docs/hosts.md, as written."""
        alone = weft.generate(TINY, "--token-ids", "1,2,3", "--max-tokens", 8)
        err = self.on_a(cluster, GENERATE).communicate(timeout=30)[1]
        self.assertIn(f"fingerprint {alone['fingerprint']}", err)
        server = self.on_a(cluster, SERVE)
        err = self.on_a(cluster, f"{CLIENT} --wait 20").communicate(timeout=30)[1]
        self.assertIn("2 ranks", err)
        server.terminate()
        log = server.communicate(timeout=20)[1]
        self.assertEqual(server.returncode, 0, log)
        self.assertEqual([line for line in log.splitlines() if not re.match(weft.LOG_LINE, line)], [])

    def test_example(self):
        self.answers(self.start())

    def test_equal_host_names(self):
        self.answers(self.start(host_names=("node", "node")))

    def test_a_bridge_with_one_address_everywhere(self):
        cluster = self.start()
        for host in "ab":
            cluster.check(host, BRIDGE)
        self.answers(cluster)

    def test_a_network_that_leads_nowhere(self):
        """Both hosts have one, and by its addresses they seem to be on it together; the right one works, the wrong one is told."""
        cluster = self.start()
        cluster.connect({"a": "10.1.0.1/24"}, 1)
        cluster.connect({"b": "10.1.0.2/24"}, 2)
        self.answers(cluster)
        begin = time.monotonic()
        refused = self.on_a(cluster, SERVE + " '--mpirun-args=--mca btl_tcp_if_include 10.1.0.0/24'")
        log = refused.communicate(timeout=30)[1]
        self.assertLess(time.monotonic() - begin, 15)
        self.assertEqual(refused.returncode, 2, log)
        for words in ("rank 0 on host alpha hears nothing from another rank", "10.0.0.1 (eth0), 10.1.0.1 (eth1)", "btl_tcp_if_include"):
            self.assertIn(words, log)

    def test_a_host_that_cannot_be_found(self):
        cluster = self.start()
        with open(os.path.join(cluster.folder.name, "hosts"), "w", encoding="utf-8") as f:
            f.write("10.0.0.1 slots=1\ngamma.example slots=1\n")
        refused = self.on_a(cluster, SERVE)
        log = refused.communicate(timeout=20)[1]
        self.assertEqual(refused.returncode, 2, log)
        self.assertIn("the host name gamma.example does not resolve", log)

    def state(self, cluster):
        done = subprocess.run([*cluster.inside("a"), weft.BIN, "stats", "--json"], capture_output=True, text=True, timeout=5, check=False)
        return json.loads(done.stdout)["state"] if done.returncode == 0 else "none"

    def wait_for(self, cluster, state, within):
        begin = time.monotonic()
        while self.state(cluster) != state:
            self.assertLess(time.monotonic() - begin, within, f"not {state}")
            time.sleep(0.1)

    def test_a_host_is_lost(self):
        """Its cable is out: noticed, told, tried again until it is back; a request goes on. SIGTERM is prompt all the time."""
        cluster = self.start()
        server = self.on_a(cluster, SERVE + " --step-timeout 3")
        answer = self.on_a(cluster, f"{CLIENT} --wait 20").communicate(timeout=30)[0]
        cluster.check("switch", "ip link set p0b down")
        client = self.on_a(cluster, CLIENT)
        self.wait_for(cluster, "restarting", within=3)
        time.sleep(4)  # a try that fails
        cluster.check("switch", "ip link set p0b up")
        self.assertEqual(client.communicate(timeout=20)[0], answer)
        cluster.check("switch", "ip link set p0b down")
        client = self.on_a(cluster, CLIENT)
        self.wait_for(cluster, "restarting", within=3)
        ranks = [pid for pid, command in descendants(server.pid).items() if command.startswith(f"{weft.BIN} worker")]
        begin = time.monotonic()
        server.terminate()
        log = server.communicate(timeout=20)[1]
        self.assertLess(time.monotonic() - begin, 6)
        self.assertEqual(server.returncode, 0, log)
        self.assertIn("rank 1 on host beta was silent for 2.4 s", log)
        self.assertIn("from host beta to host alpha", log)
        self.assertIn("the server is shutting down", client.communicate(timeout=5)[1])
        deadline = time.monotonic() + 5  # the lost host's rank hears nothing more either
        while left := [pid for pid in ranks if os.path.exists(f"/proc/{pid}")]:
            self.assertLess(time.monotonic(), deadline, f"{left} are left")
            time.sleep(0.1)

    def test_another_host_takes_over(self):
        """Where the hostfile has room for it the ranks go on without the lost host."""
        cluster = hosts.Hosts({"a": "alpha", "b": "beta", "c": "gamma"}, [{**NETWORK, "c": "10.0.0.3/24"}])
        self.addCleanup(cluster.close)
        with open(os.path.join(cluster.folder.name, "hosts"), "w", encoding="utf-8") as f:
            f.write(HOSTFILE + "10.0.0.3 slots=1\n")
        server = self.on_a(cluster, SERVE + " --step-timeout 3")
        answer = self.on_a(cluster, f"{CLIENT} --wait 20").communicate(timeout=30)[0]
        cluster.check("switch", "ip link set p0b down")
        self.assertEqual(self.on_a(cluster, CLIENT).communicate(timeout=10)[0], answer)
        server.terminate()
        self.assertIn("without 10.0.0.2", server.communicate(timeout=20)[1])
        self.assertEqual(server.returncode, 0)

    def test_strangers(self):
        """Hosts that the file does not name are not heard, unless --worker-networks names them."""
        cluster = hosts.Hosts({"a": "alpha", "b": "beta", "c": "gamma"}, [{**NETWORK, "c": "10.0.0.3/24"}])
        self.addCleanup(cluster.close)
        cluster.check("b", "ip address add 10.0.0.22/24 dev eth0 && ip route replace 10.0.0.0/24 dev eth0 src 10.0.0.22")
        with open(os.path.join(cluster.folder.name, "hosts"), "w", encoding="utf-8") as f:
            f.write("10.0.0.2 slots=1\n")
        serve = SERVE.replace("--ranks 2", "--ranks 1")
        refused = self.on_a(cluster, serve)
        log = refused.communicate(timeout=30)[1]
        self.assertEqual(refused.returncode, 2, log)
        self.assertEqual(log.count("a connection from 10.0.0.22 was refused"), 1)
        self.assertIn("--worker-networks adds more", log)
        server = self.on_a(cluster, serve + " --worker-networks 10.0.0.22")
        self.on_a(cluster, f"{CLIENT} --wait 20").communicate(timeout=30)
        rank, = [pid for pid, command in descendants(server.pid).items() if command.startswith(f"{weft.BIN} worker")]
        with open(f"/proc/{rank}/environ", encoding="utf-8") as f:
            port, = re.findall(r"WEFT_COORDINATOR=[^\0]*:(\d+)", f.read())
        program = f"import socket; s = socket.create_connection(('10.0.0.1', {port})); print('in', flush=True); print(s.recv(1))"
        with subprocess.Popen([*cluster.inside("c"), "python3", "-c", program], stdout=subprocess.PIPE, text=True) as stranger:
            stranger.stdout.readline()
            os.kill(rank, signal.SIGKILL)  # the next one comes to the same port
            self.assertEqual(stranger.communicate(timeout=10)[0], "b''\n")
        self.on_a(cluster, f"{CLIENT} --wait 20").communicate(timeout=30)
        server.terminate()
        log = server.communicate(timeout=20)[1]
        self.assertEqual((server.returncode, log.count("a connection from 10.0.0.3 was refused")), (0, 1), log)


if __name__ == "__main__":
    unittest.main()
