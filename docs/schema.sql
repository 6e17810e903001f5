-- The schema at head, written by `make schema`. Do not edit: write a migration.

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

CREATE FUNCTION public.further_roles(of_user uuid, now timestamp with time zone, OUT names text[], OUT ends timestamp with time zone[]) RETURNS record
    LANGUAGE plpgsql
    AS $$
        BEGIN
            SELECT coalesce(array_agg(role ORDER BY role), '{}'),
                   coalesce(array_agg(expires_at ORDER BY role), '{}')
              INTO names, ends
              FROM user_roles
             WHERE user_id = of_user AND (expires_at IS NULL OR expires_at > now);
        END $$;

CREATE FUNCTION public.has_factor(of_user uuid) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM factors WHERE user_id = of_user AND confirmed_at IS NOT NULL
    );
END $$;

CREATE FUNCTION public.has_factor_of_type(of_user uuid, wanted text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
        BEGIN
            RETURN EXISTS (
                SELECT FROM factors
                 WHERE user_id = of_user AND type = wanted AND confirmed_at IS NOT NULL
            );
        END $$;

CREATE FUNCTION public.mark_revocation() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
        BEGIN
            NEW.written_by := pg_current_xact_id();
            RETURN NEW;
        END $$;

CREATE FUNCTION public.note_factors() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
        DECLARE
            of_user uuid := CASE TG_OP WHEN 'DELETE' THEN OLD.user_id ELSE NEW.user_id END;
        BEGIN
            UPDATE users
               SET has_totp = has_factor_of_type(of_user, 'totp'),
                   has_passkey = has_factor_of_type(of_user, 'passkey')
             WHERE id = of_user;
            RETURN NULL;
        END $$;

CREATE FUNCTION public.tally_user() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    here smallint := pg_backend_pid() % 16;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO user_tallies AS t VALUES (OLD.role, OLD.status, here, -1)
        ON CONFLICT (role, status, slot) DO UPDATE SET amount = t.amount - 1;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO user_tallies AS t VALUES (NEW.role, NEW.status, here, 1)
        ON CONFLICT (role, status, slot) DO UPDATE SET amount = t.amount + 1;
    END IF;
    RETURN NULL;
END $$;

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.api_keys (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    scope text[] NOT NULL,
    key_hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone
);

CREATE TABLE public.app_sign_ins (
    session_id uuid NOT NULL,
    client_id uuid NOT NULL,
    user_id uuid NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.attempts (
    key text NOT NULL,
    count integer NOT NULL,
    expires_at timestamp with time zone NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE public.audit_events (
    "position" bigint NOT NULL,
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    action text NOT NULL,
    actor_id uuid,
    target_id uuid,
    old_values jsonb NOT NULL,
    new_values jsonb NOT NULL,
    ip_address inet,
    mac bytea NOT NULL
);

CREATE TABLE public.authorization_codes (
    code_hash bytea NOT NULL,
    client_id uuid NOT NULL,
    user_id uuid NOT NULL,
    opened_from uuid NOT NULL,
    redirect_uri text NOT NULL,
    challenge text,
    nonce text,
    scope text[] NOT NULL,
    audience text[] NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    spent_at timestamp with time zone,
    session_id uuid,
    claims jsonb,
    dpop_jkt text
);

CREATE TABLE public.authorization_requests (
    handle_hash bytea NOT NULL,
    client_id uuid NOT NULL,
    asked jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.client_secrets (
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone
);

CREATE TABLE public.clients (
    id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    grants text[] NOT NULL,
    scope text[] NOT NULL,
    resources text[] NOT NULL,
    auth_method text NOT NULL,
    jwks jsonb,
    jwks_uri text,
    access_token_ttl integer NOT NULL,
    generation integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    disabled_at timestamp with time zone,
    redirect_uris text[] DEFAULT '{}'::text[] NOT NULL,
    first_party boolean DEFAULT false NOT NULL,
    require_pkce boolean DEFAULT true NOT NULL,
    id_token_alg text DEFAULT 'RS256'::text NOT NULL,
    post_logout_redirect_uris text[] DEFAULT '{}'::text[] NOT NULL,
    backchannel_logout_uri text,
    backchannel_logout_session_required boolean DEFAULT false NOT NULL,
    registered_by text DEFAULT 'administrator'::text NOT NULL,
    document text,
    kept_until timestamp with time zone,
    require_par boolean DEFAULT false NOT NULL,
    require_signed_request boolean DEFAULT false NOT NULL,
    rotate_refresh boolean DEFAULT true NOT NULL,
    dpop_bound boolean DEFAULT false NOT NULL,
    profile text,
    CONSTRAINT clients_access_token_ttl_check CHECK (((access_token_ttl >= 60) AND (access_token_ttl <= 3600))),
    CONSTRAINT clients_id_token_alg_check CHECK ((id_token_alg = ANY (ARRAY['RS256'::text, 'ES256'::text, 'EdDSA'::text]))),
    CONSTRAINT clients_kind_check CHECK ((kind = ANY (ARRAY['service'::text, 'web'::text, 'browser'::text, 'native'::text]))),
    CONSTRAINT clients_profile_check CHECK ((profile = 'fapi2'::text)),
    CONSTRAINT clients_registered_by_check CHECK ((registered_by = ANY (ARRAY['administrator'::text, 'itself'::text, 'document'::text])))
);

CREATE TABLE public.consents (
    user_id uuid NOT NULL,
    client_id uuid NOT NULL,
    scope text[] NOT NULL,
    audience text[] NOT NULL,
    given_at timestamp with time zone NOT NULL
);

CREATE TABLE public.device_requests (
    device_hash bytea NOT NULL,
    user_code_hash bytea NOT NULL,
    client_id uuid NOT NULL,
    scope text[] NOT NULL,
    audience text[] NOT NULL,
    nonce text,
    ip_address inet,
    browser text,
    os text,
    poll_seconds integer NOT NULL,
    polled_at timestamp with time zone,
    user_id uuid,
    opened_from uuid,
    decided_at timestamp with time zone,
    spent_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.factors (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    type text NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    confirmed_at timestamp with time zone,
    last_used_at timestamp with time zone,
    secret bytea,
    last_step bigint DEFAULT 0 NOT NULL,
    credential_id bytea,
    public_key bytea,
    sign_count bigint DEFAULT 0 NOT NULL,
    transports text[] DEFAULT '{}'::text[] NOT NULL,
    backed_up boolean,
    begun_in uuid,
    backup_eligible boolean,
    CONSTRAINT factors_check CHECK (((type = 'totp'::text) = (secret IS NOT NULL))),
    CONSTRAINT factors_check1 CHECK (((type = 'passkey'::text) = ((credential_id IS NOT NULL) AND (public_key IS NOT NULL)))),
    CONSTRAINT factors_type_check CHECK ((type = ANY (ARRAY['totp'::text, 'passkey'::text])))
);

CREATE TABLE public.id_token_keys (
    algorithm text NOT NULL,
    "position" integer NOT NULL,
    kid text NOT NULL,
    public_jwk jsonb NOT NULL,
    private_key bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    signs_from timestamp with time zone NOT NULL,
    dropped_at timestamp with time zone
);

CREATE TABLE public.login_events (
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    user_id uuid,
    email text,
    outcome text NOT NULL,
    reason text NOT NULL,
    ip_address inet,
    device_type text NOT NULL,
    browser text,
    os text,
    platform text,
    session_id uuid,
    CONSTRAINT login_events_outcome_check CHECK ((outcome = ANY (ARRAY['succeeded'::text, 'refused'::text, 'ended'::text])))
)
PARTITION BY RANGE (at);

CREATE TABLE public.login_events_default (
    id uuid CONSTRAINT login_events_id_not_null NOT NULL,
    at timestamp with time zone CONSTRAINT login_events_at_not_null NOT NULL,
    user_id uuid,
    email text,
    outcome text CONSTRAINT login_events_outcome_not_null NOT NULL,
    reason text CONSTRAINT login_events_reason_not_null NOT NULL,
    ip_address inet,
    device_type text CONSTRAINT login_events_device_type_not_null NOT NULL,
    browser text,
    os text,
    platform text,
    session_id uuid,
    CONSTRAINT login_events_outcome_check CHECK ((outcome = ANY (ARRAY['succeeded'::text, 'refused'::text, 'ended'::text])))
);

CREATE TABLE public.logout_requests (
    handle_hash bytea NOT NULL,
    asked jsonb NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.one_time_tokens (
    user_id uuid NOT NULL,
    kind text NOT NULL,
    token_hash bytea NOT NULL,
    email text,
    email_normal text,
    password_hash text,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    name text,
    locale text,
    attempts_left smallint DEFAULT 5 NOT NULL,
    is_spare boolean DEFAULT false NOT NULL
);

CREATE TABLE public.outbox (
    id uuid NOT NULL,
    kind text NOT NULL,
    user_id uuid,
    payload bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    failed_at timestamp with time zone,
    last_error text
)
WITH (fillfactor='70');

CREATE TABLE public.pending_logins (
    token_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    amr text[] NOT NULL,
    attempts_left smallint NOT NULL,
    challenge bytea,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ip_address inet,
    device_type text NOT NULL,
    browser text,
    os text,
    platform text
);

CREATE TABLE public.recovery_codes (
    user_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.registration_tokens (
    id uuid NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    uses_left integer NOT NULL,
    CONSTRAINT registration_tokens_uses_left_check CHECK ((uses_left >= 0))
);

CREATE TABLE public.resources (
    id uuid NOT NULL,
    identifier text NOT NULL,
    name text NOT NULL,
    scopes jsonb NOT NULL,
    access_token_ttl integer,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT resources_access_token_ttl_check CHECK (((access_token_ttl >= 60) AND (access_token_ttl <= 3600)))
);

CREATE TABLE public.revocations (
    generation integer NOT NULL,
    revoked_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    written_by xid8 DEFAULT pg_current_xact_id() NOT NULL,
    id uuid NOT NULL,
    kind text DEFAULT 'session'::text NOT NULL,
    CONSTRAINT revocations_kind_check CHECK ((kind = ANY (ARRAY['session'::text, 'subject'::text, 'client'::text, 'token'::text])))
);

CREATE TABLE public.roles (
    name text NOT NULL,
    permissions text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE public.schema_revisions (
    revision text NOT NULL,
    keeps text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.sessions (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL,
    generation integer DEFAULT 0 NOT NULL,
    secret_hash bytea NOT NULL,
    rotated_at timestamp with time zone NOT NULL,
    last_activity_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    end_reason text,
    amr text[] NOT NULL,
    auth_time timestamp with time zone NOT NULL,
    login_at timestamp with time zone NOT NULL,
    ip_address inet,
    device_type text NOT NULL,
    browser text,
    os text,
    platform text,
    rotated_before timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL,
    sub_gen integer DEFAULT 0 NOT NULL,
    roles text[] DEFAULT '{}'::text[] NOT NULL,
    role_ends timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL,
    kind text DEFAULT 'api'::text NOT NULL,
    client_id uuid,
    opened_from uuid,
    scope text[] DEFAULT '{}'::text[] NOT NULL,
    audience text[] DEFAULT '{}'::text[] NOT NULL,
    claims jsonb,
    jkt text,
    CONSTRAINT sessions_kind_check CHECK ((kind = ANY (ARRAY['api'::text, 'browser'::text, 'app'::text])))
)
WITH (fillfactor='70');

CREATE TABLE public.signing_keys (
    "position" integer NOT NULL,
    kid text NOT NULL,
    algorithm text NOT NULL,
    public_jwk jsonb NOT NULL,
    private_key bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    signs_from timestamp with time zone NOT NULL,
    dropped_at timestamp with time zone
);

CREATE TABLE public.spent_ids (
    id bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE UNLOGGED TABLE public.spent_proofs (
    id bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.tallies (
    series text NOT NULL,
    at timestamp with time zone NOT NULL,
    label text NOT NULL,
    amount bigint NOT NULL
);

CREATE TABLE public.user_activity (
    user_id uuid NOT NULL,
    last_active_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    total_active_seconds double precision DEFAULT 0 NOT NULL
)
WITH (fillfactor='80');

CREATE TABLE public.user_roles (
    user_id uuid NOT NULL,
    role text NOT NULL,
    given_at timestamp with time zone NOT NULL,
    given_by uuid,
    expires_at timestamp with time zone
);

CREATE TABLE public.user_tallies (
    role text NOT NULL,
    status text NOT NULL,
    slot smallint NOT NULL,
    amount bigint NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE public.users (
    id uuid NOT NULL,
    email text NOT NULL,
    email_normal text NOT NULL,
    name text,
    role text DEFAULT 'user'::text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    password_hash text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    email_verified_at timestamp with time zone,
    locale text DEFAULT 'en'::text NOT NULL,
    timezone text,
    must_change_password boolean DEFAULT false NOT NULL,
    erase_at timestamp with time zone,
    first_proven_at timestamp with time zone,
    registered_itself boolean DEFAULT true NOT NULL,
    sub_gen integer DEFAULT 0 NOT NULL,
    email_folded text,
    name_folded text,
    known_since timestamp with time zone,
    has_totp boolean DEFAULT false NOT NULL,
    has_passkey boolean DEFAULT false NOT NULL,
    address_unvouched boolean DEFAULT false NOT NULL,
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['user'::text, 'moderator'::text, 'admin'::text]))),
    CONSTRAINT users_status_check CHECK ((status = ANY (ARRAY['active'::text, 'blocked'::text])))
);

CREATE TABLE public.webauthn_challenges (
    id uuid NOT NULL,
    user_id uuid,
    challenge bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    session_id uuid
);

ALTER TABLE ONLY public.login_events ATTACH PARTITION public.login_events_default DEFAULT;

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_key_hash_key UNIQUE (key_hash);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.app_sign_ins
    ADD CONSTRAINT app_sign_ins_pkey PRIMARY KEY (session_id, client_id);

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_id_key UNIQUE (id);

ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY public.authorization_codes
    ADD CONSTRAINT authorization_codes_pkey PRIMARY KEY (code_hash);

ALTER TABLE ONLY public.authorization_requests
    ADD CONSTRAINT authorization_requests_pkey PRIMARY KEY (handle_hash);

ALTER TABLE ONLY public.client_secrets
    ADD CONSTRAINT client_secrets_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.clients
    ADD CONSTRAINT clients_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.consents
    ADD CONSTRAINT consents_pkey PRIMARY KEY (user_id, client_id);

ALTER TABLE ONLY public.device_requests
    ADD CONSTRAINT device_requests_pkey PRIMARY KEY (device_hash);

ALTER TABLE ONLY public.device_requests
    ADD CONSTRAINT device_requests_user_code_hash_key UNIQUE (user_code_hash);

ALTER TABLE ONLY public.factors
    ADD CONSTRAINT factors_credential_id_key UNIQUE (credential_id);

ALTER TABLE ONLY public.factors
    ADD CONSTRAINT factors_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.id_token_keys
    ADD CONSTRAINT id_token_keys_kid_key UNIQUE (kid);

ALTER TABLE ONLY public.id_token_keys
    ADD CONSTRAINT id_token_keys_pkey PRIMARY KEY (algorithm, "position");

ALTER TABLE ONLY public.login_events
    ADD CONSTRAINT login_events_pkey PRIMARY KEY (at, id);

ALTER TABLE ONLY public.login_events_default
    ADD CONSTRAINT login_events_default_pkey PRIMARY KEY (at, id);

ALTER TABLE ONLY public.logout_requests
    ADD CONSTRAINT logout_requests_pkey PRIMARY KEY (handle_hash);

ALTER TABLE ONLY public.one_time_tokens
    ADD CONSTRAINT one_time_tokens_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pending_logins
    ADD CONSTRAINT pending_logins_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_pkey PRIMARY KEY (user_id, code_hash);

ALTER TABLE ONLY public.registration_tokens
    ADD CONSTRAINT registration_tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.registration_tokens
    ADD CONSTRAINT registration_tokens_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.resources
    ADD CONSTRAINT resources_identifier_key UNIQUE (identifier);

ALTER TABLE ONLY public.resources
    ADD CONSTRAINT resources_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.revocations
    ADD CONSTRAINT revocations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.roles
    ADD CONSTRAINT roles_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.schema_revisions
    ADD CONSTRAINT schema_revisions_pkey PRIMARY KEY (revision);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_kid_key UNIQUE (kid);

ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY public.spent_ids
    ADD CONSTRAINT spent_ids_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.spent_proofs
    ADD CONSTRAINT spent_proofs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.tallies
    ADD CONSTRAINT tallies_pkey PRIMARY KEY (series, at, label);

ALTER TABLE ONLY public.user_activity
    ADD CONSTRAINT user_activity_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.user_roles
    ADD CONSTRAINT user_roles_pkey PRIMARY KEY (user_id, role);

ALTER TABLE ONLY public.user_tallies
    ADD CONSTRAINT user_tallies_pkey PRIMARY KEY (role, status, slot);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_email_normal_key UNIQUE (email_normal);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.webauthn_challenges
    ADD CONSTRAINT webauthn_challenges_pkey PRIMARY KEY (id);

CREATE INDEX api_keys_expire ON public.api_keys USING btree (expires_at);

CREATE INDEX api_keys_of_user ON public.api_keys USING btree (user_id, id);

CREATE INDEX app_sign_ins_client_id ON public.app_sign_ins USING btree (client_id);

CREATE INDEX app_sign_ins_expires_at ON public.app_sign_ins USING btree (expires_at);

CREATE INDEX app_sign_ins_user_id ON public.app_sign_ins USING btree (user_id);

CREATE INDEX attempts_expires_at ON public.attempts USING btree (expires_at);

CREATE INDEX audit_events_action ON public.audit_events USING btree (action, "position" DESC);

CREATE INDEX audit_events_actor ON public.audit_events USING btree (actor_id, "position" DESC);

CREATE INDEX audit_events_at ON public.audit_events USING btree (at);

CREATE INDEX audit_events_target ON public.audit_events USING btree (target_id, "position" DESC);

CREATE INDEX authorization_codes_client_id ON public.authorization_codes USING btree (client_id);

CREATE INDEX authorization_codes_expires_at ON public.authorization_codes USING btree (expires_at);

CREATE INDEX authorization_codes_user_id ON public.authorization_codes USING btree (user_id);

CREATE INDEX authorization_requests_client_id ON public.authorization_requests USING btree (client_id);

CREATE INDEX authorization_requests_expires_at ON public.authorization_requests USING btree (expires_at);

CREATE INDEX client_secrets_of_client ON public.client_secrets USING btree (client_id);

CREATE INDEX clients_kept_until ON public.clients USING btree (kept_until) WHERE (kept_until IS NOT NULL);

CREATE INDEX consents_client_id ON public.consents USING btree (client_id);

CREATE INDEX device_requests_client_id ON public.device_requests USING btree (client_id);

CREATE INDEX device_requests_expires_at ON public.device_requests USING btree (expires_at);

CREATE INDEX device_requests_user_id ON public.device_requests USING btree (user_id) WHERE (user_id IS NOT NULL);

CREATE INDEX factors_of_user ON public.factors USING btree (user_id, created_at);

CREATE INDEX factors_unconfirmed ON public.factors USING btree (created_at) WHERE (confirmed_at IS NULL);

CREATE INDEX login_events_address ON ONLY public.login_events USING btree (ip_address, at DESC, id DESC);

CREATE INDEX login_events_browser ON ONLY public.login_events USING btree (browser, at DESC, id DESC);

CREATE INDEX login_events_default_browser ON public.login_events_default USING btree (browser, at DESC, id DESC);

CREATE INDEX login_events_default_ip_address_at_id_idx ON public.login_events_default USING btree (ip_address, at DESC, id DESC);

CREATE INDEX login_events_os ON ONLY public.login_events USING btree (os, at DESC, id DESC);

CREATE INDEX login_events_default_os ON public.login_events_default USING btree (os, at DESC, id DESC);

CREATE INDEX login_events_reason ON ONLY public.login_events USING btree (reason, at DESC, id DESC);

CREATE INDEX login_events_default_reason ON public.login_events_default USING btree (reason, at DESC, id DESC);

CREATE INDEX login_events_user ON ONLY public.login_events USING btree (user_id, at DESC, id DESC);

CREATE INDEX login_events_default_user_id_at_id_idx ON public.login_events_default USING btree (user_id, at DESC, id DESC);

CREATE INDEX login_events_successes ON ONLY public.login_events USING btree (user_id, at DESC) WHERE (outcome = 'succeeded'::text);

CREATE INDEX login_events_default_user_id_at_idx ON public.login_events_default USING btree (user_id, at DESC) WHERE (outcome = 'succeeded'::text);

CREATE INDEX logout_requests_expires_at ON public.logout_requests USING btree (expires_at);

CREATE INDEX one_time_tokens_expire ON public.one_time_tokens USING btree (expires_at);

CREATE INDEX one_time_tokens_user ON public.one_time_tokens USING btree (user_id, kind);

CREATE INDEX outbox_due ON public.outbox USING btree (due_at) WHERE (failed_at IS NULL);

CREATE INDEX outbox_failed ON public.outbox USING btree (failed_at) WHERE (failed_at IS NOT NULL);

CREATE INDEX outbox_user ON public.outbox USING btree (user_id);

CREATE INDEX pending_logins_expire ON public.pending_logins USING btree (expires_at);

CREATE INDEX pending_logins_user ON public.pending_logins USING btree (user_id);

CREATE INDEX revocations_expire ON public.revocations USING btree (expires_at);

CREATE INDEX revocations_written ON public.revocations USING btree (written_by);

CREATE INDEX sessions_ended ON public.sessions USING btree (ended_at) WHERE (ended_at IS NOT NULL);

CREATE INDEX sessions_expire ON public.sessions USING btree (expires_at);

CREATE INDEX sessions_live_by_user ON public.sessions USING btree (user_id, login_at) WHERE (ended_at IS NULL);

CREATE INDEX sessions_of_client ON public.sessions USING btree (client_id) WHERE ((client_id IS NOT NULL) AND (ended_at IS NULL));

CREATE INDEX sessions_of_user ON public.sessions USING btree (user_id, id);

CREATE INDEX sessions_opened_from ON public.sessions USING btree (opened_from) WHERE ((opened_from IS NOT NULL) AND (ended_at IS NULL));

CREATE INDEX spent_ids_expire ON public.spent_ids USING btree (expires_at);

CREATE INDEX spent_proofs_expire ON public.spent_proofs USING btree (expires_at);

CREATE INDEX user_activity_last ON public.user_activity USING btree (last_active_at, user_id);

CREATE INDEX user_roles_expire ON public.user_roles USING btree (expires_at) WHERE (expires_at IS NOT NULL);

CREATE INDEX user_roles_of_role ON public.user_roles USING btree (role);

CREATE INDEX users_blocked ON public.users USING btree (created_at, id) WHERE (status <> 'active'::text);

CREATE INDEX users_created ON public.users USING btree (created_at, id);

CREATE INDEX users_folded ON public.users USING gin ((((COALESCE(email_folded, email_normal) || ' '::text) || COALESCE(name_folded, ''::text))) public.gin_trgm_ops);

CREATE INDEX users_never_proven ON public.users USING btree (created_at, id) WHERE (first_proven_at IS NULL);

CREATE INDEX users_ranked ON public.users USING btree (role, created_at, id) WHERE (role <> 'user'::text);

CREATE INDEX users_to_erase ON public.users USING btree (erase_at) WHERE (erase_at IS NOT NULL);

CREATE INDEX users_unverified ON public.users USING btree (created_at, id) WHERE (email_verified_at IS NULL);

CREATE INDEX users_unverified_with_factor ON public.users USING btree (created_at, id) WHERE ((email_verified_at IS NULL) AND (has_totp OR has_passkey));

CREATE INDEX users_verified ON public.users USING btree (created_at, id) WHERE (email_verified_at IS NOT NULL);

CREATE INDEX users_waiting ON public.users USING btree (created_at) WHERE ((first_proven_at IS NULL) AND (password_hash IS NULL) AND registered_itself);

CREATE INDEX users_with_factor ON public.users USING btree (created_at, id) WHERE (has_totp OR has_passkey);

CREATE INDEX users_with_passkey ON public.users USING btree (created_at, id) WHERE has_passkey;

CREATE INDEX users_with_totp ON public.users USING btree (created_at, id) WHERE has_totp;

CREATE INDEX users_without_factor ON public.users USING btree (created_at, id) WHERE (NOT (has_totp OR has_passkey));

CREATE INDEX webauthn_challenges_expire ON public.webauthn_challenges USING btree (expires_at);

CREATE INDEX webauthn_challenges_user ON public.webauthn_challenges USING btree (user_id);

ALTER INDEX public.login_events_browser ATTACH PARTITION public.login_events_default_browser;

ALTER INDEX public.login_events_address ATTACH PARTITION public.login_events_default_ip_address_at_id_idx;

ALTER INDEX public.login_events_os ATTACH PARTITION public.login_events_default_os;

ALTER INDEX public.login_events_pkey ATTACH PARTITION public.login_events_default_pkey;

ALTER INDEX public.login_events_reason ATTACH PARTITION public.login_events_default_reason;

ALTER INDEX public.login_events_user ATTACH PARTITION public.login_events_default_user_id_at_id_idx;

ALTER INDEX public.login_events_successes ATTACH PARTITION public.login_events_default_user_id_at_idx;

CREATE TRIGGER factors_added AFTER INSERT ON public.factors FOR EACH ROW WHEN ((new.confirmed_at IS NOT NULL)) EXECUTE FUNCTION public.note_factors();

CREATE TRIGGER factors_confirmed AFTER UPDATE OF confirmed_at ON public.factors FOR EACH ROW EXECUTE FUNCTION public.note_factors();

CREATE TRIGGER factors_removed AFTER DELETE ON public.factors FOR EACH ROW WHEN ((old.confirmed_at IS NOT NULL)) EXECUTE FUNCTION public.note_factors();

CREATE TRIGGER revocations_mark BEFORE UPDATE ON public.revocations FOR EACH ROW EXECUTE FUNCTION public.mark_revocation();

CREATE TRIGGER users_tally_changes AFTER UPDATE OF role, status ON public.users FOR EACH ROW WHEN (((old.role <> new.role) OR (old.status <> new.status))) EXECUTE FUNCTION public.tally_user();

CREATE TRIGGER users_tally_rows AFTER INSERT OR DELETE ON public.users FOR EACH ROW EXECUTE FUNCTION public.tally_user();

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.app_sign_ins
    ADD CONSTRAINT app_sign_ins_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.app_sign_ins
    ADD CONSTRAINT app_sign_ins_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.authorization_codes
    ADD CONSTRAINT authorization_codes_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.authorization_codes
    ADD CONSTRAINT authorization_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.authorization_requests
    ADD CONSTRAINT authorization_requests_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.client_secrets
    ADD CONSTRAINT client_secrets_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.consents
    ADD CONSTRAINT consents_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.consents
    ADD CONSTRAINT consents_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.device_requests
    ADD CONSTRAINT device_requests_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.device_requests
    ADD CONSTRAINT device_requests_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.factors
    ADD CONSTRAINT factors_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.one_time_tokens
    ADD CONSTRAINT one_time_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.pending_logins
    ADD CONSTRAINT pending_logins_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.user_activity
    ADD CONSTRAINT user_activity_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.user_roles
    ADD CONSTRAINT user_roles_role_fkey FOREIGN KEY (role) REFERENCES public.roles(name);

ALTER TABLE ONLY public.user_roles
    ADD CONSTRAINT user_roles_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webauthn_challenges
    ADD CONSTRAINT webauthn_challenges_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
