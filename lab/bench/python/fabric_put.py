import os

from fabric import Config, ThreadingGroup

lab = os.environ["LAB"]
hosts = open(os.environ["HOSTS_FILE"]).read().split()
group = ThreadingGroup(
    *hosts,
    user="deploy",
    config=Config(runtime_ssh_path=f"{lab}/ssh_config"),
    connect_kwargs={"key_filename": f"{lab}/key", "look_for_keys": False, "allow_agent": False},
)
group.put(os.environ["TAR"], "/home/deploy/build.tar")
command = "{MAKE} && tar xf /home/deploy/build.tar -C {RELEASE} && rm /home/deploy/build.tar && {FLIP}"
group.run(command.format(**os.environ), hide=True)
