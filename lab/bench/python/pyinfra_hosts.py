import os

lab = os.environ["LAB"]
access = {
    "ssh_user": "deploy",
    "ssh_key": f"{lab}/key",
    "ssh_known_hosts_file": f"{lab}/known_hosts",
    "ssh_config_file": "/dev/null",
    "ssh_look_for_keys": False,
    "ssh_allow_agent": False,
}
hosts = [(host, access) for host in open(os.environ["HOSTS_FILE"]).read().split()]
