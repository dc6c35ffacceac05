package host

import "fmt"

// Provision is what root does once on a server, as a shell script, so that user
// can export a Procfile's processes of the app in root there, without sudo.
// They run under a manager of the user's own, so what is exported can become
// nobody else. Empty: nothing helps but to log in as root.
func (s Service) Provision(user, root string) string {
	head := fmt.Sprintf("user=%s\nroot=%s\n", user, root)
	switch s.Manager {
	case managerSystemd:
		return fmt.Sprintf("loginctl enable-linger %s\n", user)
	case managerRunit:
		return head + fmt.Sprintf(provisionRunit, s.Name)
	case managerSupervisor:
		return head + fmt.Sprintf(provisionSupervisor, s.Name)
	}
	return ""
}

// provisionRunit has a runsvdir that ends take its services along.
const provisionRunit = `install -d -o $user $root $root/service
mkdir -p /etc/sv/%[1]s-processes/control
cat >/etc/sv/%[1]s-processes/run <<EOF
#!/bin/sh
exec chpst -u $user runsvdir -P $root/service
EOF
printf '#!/bin/sh\nexec kill -HUP $(cat supervise/pid)\n' >/etc/sv/%[1]s-processes/control/t
chmod 755 /etc/sv/%[1]s-processes/run /etc/sv/%[1]s-processes/control/t
ln -sfn /etc/sv/%[1]s-processes /etc/service/%[1]s-processes
`

const provisionSupervisor = `install -d -o $user $root $root/supervisor.d
cat >$root/supervisord.conf <<EOF
[supervisord]
logfile=$root/supervisor.d/supervisord.log
pidfile=$root/supervisor.d/supervisord.pid
childlogdir=$root/supervisor.d
[unix_http_server]
file=$root/supervisor.d/socket
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://$root/supervisor.d/socket
[include]
files=supervisor.d/*.conf
EOF
cat >/etc/supervisor/conf.d/%[1]s-processes.conf <<EOF
[program:%[1]s-processes]
user=$user
directory=$root
command=supervisord -n -c $root/supervisord.conf
EOF
supervisorctl update
`
