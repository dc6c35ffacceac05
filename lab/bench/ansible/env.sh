# Ansible as its manual advises for speed: pipelining, as many forks as servers, no gathering of facts.
# shellcheck shell=bash
export HOME=$WORK ANSIBLE_CONFIG=$HERE/ansible/ansible.cfg ANSIBLE_FORKS=$SERVERS ANSIBLE_PIPELINING=True ANSIBLE_GATHERING=explicit
export ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3 ANSIBLE_RETRY_FILES_ENABLED=False
export ANSIBLE_SSH_ARGS="-F $LAB/ssh_config -o ControlMaster=auto -o ControlPersist=60s" ANSIBLE_SSH_CONTROL_PATH_DIR=$SOCKETS
