-- How the device shows that it was neither cloned nor put back, and what was last told of its and headquarters' lives.
CREATE TABLE lineage(
    one INTEGER PRIMARY KEY CHECK (one = 1),
    previous BLOB,                    -- the token that was last answered
    next BLOB,                        -- drawn, and sent until it is answered
    life INTEGER NOT NULL DEFAULT 0,  -- how often the device was told to begin anew; each file follows when it is open
    epoch BLOB                        -- headquarters' life; NULL: as at enrolment
);
INSERT INTO lineage(one) VALUES (1);
