CREATE TABLE approvals (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, deployment TEXT NOT NULL, state TEXT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX approvals_by_state ON approvals (state, deployment);
