package host

import (
	"context"
	"encoding/json"
)

// operation does one op; args are those of the request.
type operation func(ctx context.Context, q *answering, l *Local, args json.RawMessage) (any, error)

func operations() map[string]operation {
	return map[string]operation{
		opLook: with(func(ctx context.Context, _ *answering, l *Local, a lookArgs) (any, error) {
			return l.Look(ctx, a.Service)
		}),
		opReceive: with(func(ctx context.Context, q *answering, l *Local, a receiveArgs) (any, error) {
			return l.Receive(ctx, a.Record, q.body, q.progress)
		}),
		opUpdate: with(func(ctx context.Context, q *answering, l *Local, a updateArgs) (any, error) {
			return l.Update(ctx, a.Record, a.Base, q.parts, q.progress)
		}),
		opPull: with(func(ctx context.Context, q *answering, l *Local, a updateArgs) (any, error) {
			return l.Pull(ctx, a.Record, a.Base, q.orders, q.progress)
		}),
		opManifest: with(func(ctx context.Context, _ *answering, l *Local, a manifestArgs) (any, error) {
			return l.Manifest(ctx, a.ID)
		}),
		opSwitch: with(func(ctx context.Context, _ *answering, l *Local, a switchArgs) (any, error) {
			return l.Switch(ctx, a.ID, a.Over)
		}),
		opRestart: with(func(ctx context.Context, _ *answering, l *Local, a restartArgs) (any, error) {
			return nothing{}, l.Restart(ctx, a.Service)
		}),
		opCheck: with(func(ctx context.Context, _ *answering, l *Local, a checkArgs) (any, error) {
			return l.Check(ctx, a.Health, a.Service, a.ID)
		}),
		opHook: with(hookOperation),
		opRecord: with(func(ctx context.Context, _ *answering, l *Local, a historyArgs) (any, error) {
			return nothing{}, l.Record(ctx, a.Entry)
		}),
		opPrune: with(func(ctx context.Context, _ *answering, l *Local, a pruneArgs) (any, error) {
			return l.Prune(ctx, a.Keep)
		}),
		opHistory: with(func(ctx context.Context, _ *answering, l *Local, a entriesArgs) (any, error) {
			return l.History(ctx, a.Limit)
		}),
		opClaim: with(func(ctx context.Context, _ *answering, l *Local, a claimArgs) (any, error) {
			return l.Claim(ctx, a.Claim)
		}),
		opRelease: with(func(ctx context.Context, _ *answering, l *Local, _ nothing) (any, error) {
			return nothing{}, l.Release(ctx)
		}),
		opPin: with(func(ctx context.Context, _ *answering, l *Local, a pinArgs) (any, error) {
			return nothing{}, l.Pin(ctx, a.Pin)
		}),
	}
}

// hookOperation sends the output of a hook that fails, too.
func hookOperation(ctx context.Context, _ *answering, l *Local, a hookArgs) (any, error) {
	output, err := l.Hook(ctx, a.Name, a.ID, a.Env)
	result := hookResult{Output: output}
	if err != nil {
		result.Failed = asError(err)
	}
	return result, nil
}

// with reads an operation's arguments.
func with[A any](do func(context.Context, *answering, *Local, A) (any, error)) operation {
	return func(ctx context.Context, q *answering, l *Local, raw json.RawMessage) (any, error) {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, &Error{Kind: KindProtocol, Message: "the arguments are not understood: " + err.Error(), Hint: internalHint}
		}
		return do(ctx, q, l, args)
	}
}
