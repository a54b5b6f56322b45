package store

import (
	"context"
	"fmt"

	"app/internal/database"
	"app/internal/health"
)

// Ready checks that the database answers and has at least the schema that this
// version needs.
func (s *Store) Ready(needed int64) health.Check {
	return func(ctx context.Context) (health.Reason, error) {
		version, err := s.SchemaVersion(ctx)
		if err != nil {
			reason, known := database.ReasonOf(err)
			if !known {
				reason = database.Away
			}
			return health.Reason(reason), fmt.Errorf("%s", database.Explain(err))
		}
		if version < needed {
			return health.Reason(database.Schema), fmt.Errorf("the schema is at %d, and this version needs %d", version, needed)
		}
		return "", nil
	}
}
