"""Credentials of messages, mail, telephony and social networks."""

from __future__ import annotations

from proxy.checks.credential_kinds.kind import UUID, UUID_SHAPE, Kind, named

TALK: tuple[Kind, ...] = (
    # Messages
    Kind("SLACK_TOKEN", "Slack token", r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9]{1,14}-[A-Za-z0-9-]{15,250}", 0.95,
         "xoxb-{dig:12}-{dig:12}-{b62:24}"),
    Kind("SLACK_TOKEN", "Slack session token",
         r"xoxc-[0-9]{10,14}-[0-9]{10,14}-[0-9]{10,14}-[a-f0-9]{64}|xoxd-[A-Za-z0-9%+/_-]{100,300}", 0.95,
         "xoxc-{dig:12}-{dig:12}-{dig:12}-{hex:64}"),
    Kind("SLACK_TOKEN", "Slack app token", r"xapp-[0-9]-[A-Z0-9]{8,14}-[0-9]{10,15}-[a-f0-9]{60,70}", 0.95,
         "xapp-1-A{up:10}-{dig:13}-{hex:64}"),
    Kind("SLACK_WEBHOOK", "Slack webhook",
         r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Z0-9]{9,14}/[A-Za-z0-9]{8,20}/[A-Za-z0-9/]{20,80})",
         0.95, "https://hooks.slack.com/services/T{up:10}/B{up:10}/{b62:24}"),
    Kind("DISCORD_TOKEN", "Discord bot token", r"[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}", 0.9,
         "{snowflake}.{b62:6}.{b62:38}", "snowflake"),
    Kind("DISCORD_WEBHOOK", "Discord webhook", r"discord(?:app)?\.com/api/webhooks/(?P<secret>[0-9]{17,20}/[A-Za-z0-9_-]{60,80})",
         0.95, "https://discord.com/api/webhooks/{dig:18}/{url:68}"),
    Kind("TELEGRAM_TOKEN", "Telegram bot token", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}", 0.95, "{dig:10}:AA{url:33}"),
    Kind("TEAMS_WEBHOOK", "Microsoft Teams webhook",
         rf"webhook\.office\.com/webhookb2/(?P<secret>{UUID}@{UUID}/IncomingWebhook/[a-f0-9]{{32}}/{UUID}[A-Za-z0-9_/-]{{0,80}})",
         0.95, f"https://a.webhook.office.com/webhookb2/{UUID_SHAPE}@{UUID_SHAPE}/IncomingWebhook/{{hex:32}}/{UUID_SHAPE}",
         edges=False),
    Kind("GOOGLE_CHAT_WEBHOOK", "Google Chat webhook",
         r"chat\.googleapis\.com/v1/spaces/[A-Za-z0-9_-]{5,30}/messages\?(?P<secret>key=[A-Za-z0-9_-]{30,50}&token=[A-Za-z0-9%_-]{30,80})",
         0.95, "https://chat.googleapis.com/v1/spaces/{b62:9}/messages?key={url:39}&token={url:43}"),
    named("MATTERMOST_TOKEN", "Mattermost token", "mattermost", "[a-z0-9]{26}", "MATTERMOST_TOKEN={low:26}"),
    Kind("INTERCOM_TOKEN", "Intercom token", r"dG9rO[A-Za-z0-9+/]{52,56}={0,2}", 0.95, "dG9rO{b62:54}="),
    # Telephony and push
    Kind("TWILIO_KEY", "Twilio API key", r"SK[0-9a-f]{32}", 0.85, "SK{hex:32}"),
    Kind("TWILIO_KEY", "Twilio account, half of a credential", r"AC[0-9a-f]{32}", 0.6, "AC{hex:32}"),
    named("TWILIO_KEY", "Twilio auth token", "twilio", "[a-f0-9]{32}", "TWILIO_AUTH={hex:32}", "random"),
    Kind("TELNYX_KEY", "Telnyx key", r"KEY[A-F0-9]{32}_[A-Za-z0-9]{22}", 0.95, "KEY{HEX:32}_{b62:22}"),
    Kind("ONESIGNAL_KEY", "OneSignal key", r"os_v2_(?:app|org)_[a-z2-7]{100,110}", 0.95, "os_v2_app_{b32l:103}"),
    Kind("COURIER_KEY", "Courier key", r"(?:pk|dk)_(?:prod|test)_[A-Z0-9]{28}", 0.95, "pk_prod_{up:28}"),
    # Mail
    Kind("SENDGRID_KEY", "SendGrid key", r"SG\.[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{39,50}", 0.95, "SG.{url:22}.{url:43}"),
    Kind("MAILGUN_KEY", "Mailgun key", r"(?:key-[0-9a-f]{32}|[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8})", 0.85, "key-{hex:32}"),
    Kind("MAILCHIMP_KEY", "Mailchimp key", r"[0-9a-f]{32}-us[0-9]{1,2}", 0.9, "{hex:32}-us12"),
    Kind("MANDRILL_KEY", "Mailchimp Transactional key", r"md-[A-Za-z0-9_-]{22}", 0.85, "md-{b62:22}", "random"),
    Kind("BREVO_KEY", "Brevo key", r"x(?:keysib|smtpsib)-[a-f0-9]{64}-[A-Za-z0-9]{16}", 0.95, "xkeysib-{hex:64}-{b62:16}"),
    Kind("MAILERSEND_TOKEN", "MailerSend token", r"mlsn\.[a-f0-9]{64}", 0.95, "mlsn.{hex:64}"),
    Kind("RESEND_KEY", "Resend key", r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{20,30}", 0.9, "re_{b62:8}_{b62:24}", "token"),
    Kind("KLAVIYO_KEY", "Klaviyo key", r"pk_[a-f0-9]{34}", 0.9, "pk_{hex:34}"),
    named("POSTMARK_TOKEN", "Postmark token", "postmark", UUID, f"POSTMARK_SERVER_TOKEN={UUID_SHAPE}", ""),
    # Social networks
    Kind("FACEBOOK_TOKEN", "Facebook access token", r"EAA[A-Za-z0-9]{90,400}", 0.9, "EAAC{b62:160}"),
    named("FACEBOOK_TOKEN", "Facebook app secret", "facebook|fb_|meta_|graph_", r"[0-9]{15,16}\|[a-z0-9_-]{27}",
          "FACEBOOK_APP_ACCESS_TOKEN={dig:15}|{b62:27}", "token"),
    Kind("INSTAGRAM_TOKEN", "Instagram access token", r"IG(?:QV|QW|AA)[A-Za-z0-9_-]{80,300}", 0.9, "IGQV{b62:140}"),
    Kind("TWITTER_TOKEN", "X bearer token", r"AAAAAAAAAAAAAAAAAAAA[A-Za-z0-9%]{60,120}", 0.95, "AAAAAAAAAAAAAAAAAAAA{b62:80}",
         "bearer"),
    Kind("LINKEDIN_SECRET", "LinkedIn client secret", r"WPL_AP1\.[A-Za-z0-9]{16}\.[A-Za-z0-9+/]{6,8}={0,2}", 0.95,
         "WPL_AP1.{b62:16}.{b62:6}=="),
    Kind("TWITCH_TOKEN", "Twitch chat token", r"oauth:[a-z0-9]{30}", 0.9, "oauth:{low:30}", "mixed"),
    Kind("LICHESS_TOKEN", "Lichess token", r"li[op]_[A-Za-z0-9]{20,24}", 0.85, "lip_{b62:20}", "token"),
    named("REDDIT_SECRET", "Reddit secret", "reddit", "[a-z0-9_-]{27,30}", "REDDIT_CLIENT_SECRET={b62:27}"),
    named("SPOTIFY_SECRET", "Spotify secret", "spotify", "[a-f0-9]{32}", "SPOTIFY_CLIENT_SECRET={hex:32}", "random"),
)  # fmt: skip  # a table reads better in rows
