set :application, 'app'
set :repo_url, ENV.fetch('REPOSITORY')
set :branch, 'main'
set :deploy_to, '/srv/app'
set :format, :dot
set :format_options, log_file: nil, truncate: false
File.read(ENV.fetch('HOSTS_FILE')).split.each { |address| server address, user: 'deploy', roles: %w[app] }
set :ssh_options,
    keys: ["#{ENV.fetch('LAB')}/key"], keys_only: true, config: false, forward_agent: false, verify_host_key: :always,
    user_known_hosts_file: "#{ENV.fetch('LAB')}/known_hosts", global_known_hosts_file: '/dev/null'
