# All of it is in deploy.rb.
