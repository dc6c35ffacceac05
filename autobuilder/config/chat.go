package config

// Chat says from where people steer autobuilder, and who they are there.
type Chat struct {
	People map[string]string `yaml:"people"` // accounts of the rooms' services → names that approvers and others have
	Slack  SlackApp          `yaml:"slack"`
}

// SlackApp is an app of Slack's whose slash command and buttons are answered.
type SlackApp struct {
	SigningSecretEnv  string `yaml:"signing_secret_env"`
	SigningSecretFile string `yaml:"signing_secret_file"`
}

// SlackRoom is a bot of Slack's, and the channel that it tells.
type SlackRoom struct {
	TokenEnv  string            `yaml:"token_env"`
	TokenFile string            `yaml:"token_file"`
	Channel   string            `yaml:"channel"`  // its ID
	Channels  map[string]string `yaml:"channels"` // of projects that have another
	URL       string            `yaml:"url"`      // default: Slack's
}

// Secret is what Slack signs with; empty if none is configured.
func (s SlackApp) Secret(getenv func(string) string) (Secret, error) {
	if s.SigningSecretEnv == "" && s.SigningSecretFile == "" {
		return "", nil
	}
	return readSecret(getenv, "chat.slack.signing_secret", s.SigningSecretEnv, s.SigningSecretFile)
}

// Reveal reads the bot's token.
func (s SlackRoom) Reveal(getenv func(string) string) (Secret, error) {
	return readSecret(getenv, "notify.slack.token", s.TokenEnv, s.TokenFile)
}

func (c *checker) chat(all *Config) {
	c.oneOf("chat.slack", "signing_secret", all.Chat.Slack.SigningSecretEnv, all.Chat.Slack.SigningSecretFile)
	for account, name := range all.Chat.People {
		if name == "" {
			c.add("chat.people."+account, "has no name")
		}
	}
	s := all.Notify.Slack
	if s == nil {
		return
	}
	c.needed("notify.slack", "token", s.TokenEnv, s.TokenFile)
	if s.Channel == "" {
		c.add("notify.slack.channel", "is missing: the ID of the channel, as its details in Slack show it")
	}
	if s.URL != "" {
		c.web("notify.slack.url", s.URL)
	}
	for project := range s.Channels {
		if _, ok := all.Project(project); !ok {
			c.add("notify.slack.channels", "there is no project %q", project)
		}
	}
}
