import os

from pyinfra.operations import files, server

release = os.environ["RELEASE"]
files.directory(path=release)
files.put(src=os.environ["TAR"], dest="/home/deploy/build.tar")
server.shell(commands=[f"tar xf /home/deploy/build.tar -C {release} && rm /home/deploy/build.tar && {os.environ['FLIP']}"])
