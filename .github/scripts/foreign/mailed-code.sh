#!/bin/sh
# Prints the code and the user ID of the last mail to KALSHI_EMAIL. MAILS is the output of our server.
sed -nE "s/^mail to $KALSHI_EMAIL: code ([^ ]*) user_id ([^ ]*) .*/\1 \2/p" "$MAILS" | tail -1
