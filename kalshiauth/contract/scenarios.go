package contract

import "context"

// The documented refusals, any of which will do where something has to be refused.
var (
	refusedSession = []int{400, 401, 403} // Login and Logout
	refusedReset   = []int{400}           // ResetPassword and ResetPasswordConfirm
)

// scenarios are what Run plays, in this order: with credentials that are refused, nothing else makes sense.
var scenarios = []*scenario{
	{
		name: "Login lets the right password in", operation: "Login", rule: "/responses/200", statuses: []int{200},
		needs: account, play: playLogin,
	},
	malformed("Login refuses a missing body", "Login", "/requestBody/required", raw("")),
	malformed("Login refuses malformed JSON", "Login", "/requestBody", raw(`{"email":`)),
	malformed("Login refuses JSON of a wrong type", "Login", "/requestBody",
		raw(`{"email":42,"password":["secret"]}`)),
	malformed("Login refuses a body that is no object", "Login", "/requestBody", raw(`null`)),
	malformed("Login refuses a body without a password", "Login", "/requestBody", fields("email")),
	malformed("Login refuses a body without an e-mail", "Login", "/requestBody", fields("password")),

	malformed("Login refuses a malformed e-mail", "Login", "#/components/schemas/LoginRequest/properties/email/format",
		fields("email=trader", "password")),
	malformed("Login refuses an unknown account", "Login", "/responses/401", fields("email", "password")),

	refusal("Logout refuses a request without a session", "Logout", "/security",
		func(ctx context.Context, r *runner, _ string) (*answer, error) { return r.logout(ctx, session{}) }),
	refusal("Logout refuses an unknown session", "Logout", "/security",
		func(ctx context.Context, r *runner, _ string) (*answer, error) {
			secret := r.random(secretLength)
			return r.logout(ctx, session{secret, secret})
		}),

	malformed("ResetPassword refuses a missing body", "ResetPassword", "/requestBody/required", raw("")),
	malformed("ResetPassword refuses malformed JSON", "ResetPassword", "/requestBody", raw(`{"email":`)),
	malformed("ResetPassword refuses JSON of a wrong type", "ResetPassword", "/requestBody", raw(`{"email":42}`)),
	malformed("ResetPassword refuses a body without an e-mail", "ResetPassword", "/requestBody", raw(`{}`)),
	malformed("ResetPassword refuses a malformed e-mail", "ResetPassword",
		"#/components/schemas/ResetPasswordRequest/properties/email/format", fields("email=trader")),
	{ // to say whether there is such an account is careless, but documented
		name: "ResetPassword answers for an unknown e-mail", operation: "ResetPassword", rule: "/responses",
		statuses: []int{202, 400},
		play:     func(ctx context.Context, r *runner) (*answer, error) { return r.reset(ctx, unknownEmail()) },
	},

	malformed("ResetPasswordConfirm refuses a missing body", "ResetPasswordConfirm", "/requestBody/required",
		raw("")),
	malformed("ResetPasswordConfirm refuses malformed JSON", "ResetPasswordConfirm", "/requestBody",
		raw(`{"user_id":`)),
	malformed("ResetPasswordConfirm refuses JSON of a wrong type", "ResetPasswordConfirm", "/requestBody",
		raw(`{"user_id":42,"password":["secret"]}`)),
	malformed("ResetPasswordConfirm refuses a body without a password", "ResetPasswordConfirm", "/requestBody",
		fields("user_id")),
	malformed("ResetPasswordConfirm refuses a body without a user ID", "ResetPasswordConfirm", "/requestBody",
		fields("password")),
	malformed("ResetPasswordConfirm refuses a malformed user ID", "ResetPasswordConfirm", "/requestBody",
		fields("user_id=42", "password")),
	malformed("ResetPasswordConfirm refuses an unknown code", "ResetPasswordConfirm", "/parameters/0",
		fields("user_id", "password")),

	with(account, refusal("Login refuses a wrong password", "Login", "/responses/401",
		func(ctx context.Context, r *runner, _ string) (*answer, error) {
			a, _, err := r.login(ctx, r.target.Credentials.Email, r.random(secretLength))
			return a, err
		})),
	{
		name: "Logout ends a session", operation: "Logout", rule: "/responses/204", statuses: []int{204},
		needs: account, play: playLogout,
	},
	with(account, refusal("Logout refuses a session that is over", "Logout", "/description",
		func(ctx context.Context, r *runner, _ string) (*answer, error) {
			if !r.over {
				return nil, skipError("it needs a session that is logged out")
			}
			return r.logout(ctx, r.session)
		})),

	{
		name: "ResetPassword mails a code to a known e-mail", operation: "ResetPassword", rule: "/responses/202",
		statuses: []int{202}, needs: mailbox, play: playReset,
	},
	with(mailbox, refusal("ResetPasswordConfirm refuses a code for another user", "ResetPasswordConfirm", "/requestBody",
		func(ctx context.Context, r *runner, password string) (*answer, error) {
			if r.mailed == (mailed{}) {
				return nil, errNoCode
			}
			return r.confirm(ctx, mailed{r.mailed.code, randomUUID()}, password)
		})),
	with(mailbox, refusal("ResetPasswordConfirm refuses a short password", "ResetPasswordConfirm",
		"#/components/schemas/ConfirmPasswordResetRequest/properties/password/minLength",
		func(ctx context.Context, r *runner, _ string) (*answer, error) {
			if r.mailed == (mailed{}) {
				return nil, errNoCode
			}
			return r.confirm(ctx, r.mailed, r.random(shortLength))
		})),
	{
		name: "ResetPasswordConfirm sets a password with the mailed code", operation: "ResetPasswordConfirm",
		rule: "/responses/204", statuses: []int{204}, needs: mailbox, play: playConfirm,
	},
	with(mailbox, refusal("ResetPasswordConfirm refuses a used code", "ResetPasswordConfirm", "/parameters/0",
		func(ctx context.Context, r *runner, password string) (*answer, error) {
			if r.used == (mailed{}) {
				return nil, errNotReset
			}
			return r.confirm(ctx, r.used, password)
		})),
	with(mailbox, refusal("Logout refuses a session from before a reset", "Logout",
		"#/paths/~1passwords~1reset~1{code}~1confirm/put/description",
		func(ctx context.Context, r *runner, _ string) (*answer, error) {
			if r.used == (mailed{}) || r.before == (session{}) {
				return nil, errNotReset
			}
			return r.logout(ctx, r.before)
		})),
	with(mailbox, refusal("Login refuses the old password after a reset", "Login", "/responses/401",
		func(ctx context.Context, r *runner, _ string) (*answer, error) {
			if r.used == (mailed{}) {
				return nil, errNotReset
			}
			a, _, err := r.login(ctx, r.target.Credentials.Email, r.target.Credentials.Password)
			return a, err
		})),
	{
		name: "Login lets the new password in after a reset", operation: "Login", rule: "/responses/200",
		statuses: []int{200}, needs: mailbox,
		play: func(ctx context.Context, r *runner) (*answer, error) {
			if r.used == (mailed{}) {
				return nil, errNotReset
			}
			a, _, err := r.login(ctx, r.target.Credentials.Email, r.password)
			return a, err
		},
	},
	{
		name: "ResetPasswordConfirm sets the first password again", operation: "ResetPasswordConfirm",
		rule: "/responses/204", statuses: []int{204}, needs: mailbox, restores: true, play: playRestore,
	},
}
