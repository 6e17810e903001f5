import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.oauth2.sdk.AuthorizationCodeGrant;
import com.nimbusds.oauth2.sdk.AuthorizationGrant;
import com.nimbusds.oauth2.sdk.PushedAuthorizationRequest;
import com.nimbusds.oauth2.sdk.PushedAuthorizationResponse;
import com.nimbusds.oauth2.sdk.RefreshTokenGrant;
import com.nimbusds.oauth2.sdk.ResponseType;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.TokenRevocationRequest;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.ClientSecretPost;
import com.nimbusds.oauth2.sdk.auth.PrivateKeyJWT;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.dpop.DPoPProofFactory;
import com.nimbusds.oauth2.sdk.dpop.DefaultDPoPProofFactory;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.id.State;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.openid.connect.sdk.AuthenticationRequest;
import com.nimbusds.openid.connect.sdk.AuthenticationResponseParser;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponse;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponseParser;
import com.nimbusds.openid.connect.sdk.UserInfoRequest;
import com.nimbusds.openid.connect.sdk.UserInfoResponse;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import java.net.URI;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.springframework.security.oauth2.client.authentication.OAuth2LoginAuthenticationToken;
import org.springframework.security.oauth2.client.endpoint.RestClientAuthorizationCodeTokenResponseClient;
import org.springframework.security.oauth2.client.oidc.authentication.OidcAuthorizationCodeAuthenticationProvider;
import org.springframework.security.oauth2.client.oidc.userinfo.OidcUserService;
import org.springframework.security.oauth2.client.registration.ClientRegistrations;
import org.springframework.security.oauth2.core.endpoint.OAuth2AuthorizationExchange;
import org.springframework.security.oauth2.core.endpoint.OAuth2AuthorizationRequest;
import org.springframework.security.oauth2.core.endpoint.OAuth2AuthorizationResponse;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;

// Apps by which a person signs in, with Nimbus' SDK and with Spring Security.
class SignIn {
    static final String EMAIL = "admin@example.com";
    static final String CALLBACK = "https://app.java.example.com/callback";
    static final String NATIVE = "http://127.0.0.1:51004/callback";
    static final Scope SCOPE = Scope.parse("openid profile email groups offline_access");
    static OIDCProviderMetadata provider;

    static void all() throws Exception {
        provider = OIDCProviderMetadata.resolve(new Issuer(Use.ISSUER));
        for (var algorithm : List.of(JWSAlgorithm.RS256, JWSAlgorithm.ES256)) {
            var id = register("web", CALLBACK, Map.of("id_token_alg", algorithm.getName()));
            var secret = new Secret(Use.secretOf(id));
            new App(id, CALLBACK, algorithm, () -> new ClientSecretBasic(new ClientID(id), secret), false, null).use();
        }
        var posting = register("web", CALLBACK, Map.of("auth_method", "client_secret_post"));
        var posted = new Secret(Use.secretOf(posting));
        new App(posting, CALLBACK, JWSAlgorithm.RS256, () -> new ClientSecretPost(new ClientID(posting), posted), true, null).use();

        // As FAPI 2.0 wants it: pushed, signed assertions, bound tokens that refresh tokens stay for.
        ECKey key = new ECKeyGenerator(Curve.P_256).keyID("one").algorithm(JWSAlgorithm.ES256).generate();
        var strict = register("web", CALLBACK, Map.of(
            "auth_method", "private_key_jwt", "jwks", new JWKSet(key.toPublicJWK()).toJSONObject(), "id_token_alg", "ES256",
            "profile", "fapi2"));
        Use.Authentication signed = () -> new PrivateKeyJWT(
            new ClientID(strict), URI.create(Use.ISSUER), JWSAlgorithm.ES256, (PrivateKey) key.toECPrivateKey(), "one", null);
        new App(strict, CALLBACK, JWSAlgorithm.ES256, signed, true, holder()).use();

        var installed = register("native", "http://127.0.0.1/callback", Map.of());
        new App(installed, NATIVE, JWSAlgorithm.RS256, null, false, null).use();
        new App(installed, NATIVE, JWSAlgorithm.RS256, null, false, holder()).use();

        withSpring();
    }

    static DPoPProofFactory holder() throws Exception {
        return new DefaultDPoPProofFactory(new ECKeyGenerator(Curve.P_256).generate(), JWSAlgorithm.ES256);
    }

    static String register(String kind, String place, Map<String, Object> more) throws Exception {
        var fields = new HashMap<String, Object>(Map.of("name", "Ledger", "kind", kind, "redirect_uris", List.of(place)));
        fields.putAll(more);
        return (String) Use.post("admin/clients", fields).get("id");
    }

    static Person person() {
        return new Person(EMAIL, System.getenv("KEYFOB_ADMIN_PASSWORD"));
    }

    // An app of Nimbus' SDK; `authentication` is null for a public one, and `holder` where tokens are not bound.
    record App(
            String id, String callback, JWSAlgorithm algorithm, Use.Authentication authentication, boolean pushes, DPoPProofFactory holder) {
        void use() throws Exception {
            var verifier = new CodeVerifier();
            var state = new State();
            var nonce = new Nonce();
            var request = new AuthenticationRequest.Builder(ResponseType.CODE, SCOPE, new ClientID(id), URI.create(callback))
                .endpointURI(provider.getAuthorizationEndpointURI())
                .state(state).nonce(nonce).codeChallenge(verifier, CodeChallengeMethod.S256).build();
            var came = AuthenticationResponseParser.parse(person().visit((pushes ? pushed(request) : request).toURI(), callback));
            Use.check(came.indicatesSuccess(), came.toHTTPResponse().getLocation());
            var answer = came.toSuccessResponse();
            Use.check(state.equals(answer.getState()) && Use.ISSUER.equals(answer.getIssuer().getValue()), came.toHTTPResponse().getLocation());

            var tokens = ask(new AuthorizationCodeGrant(answer.getAuthorizationCode(), URI.create(callback), verifier));
            var keys = provider.getJWKSetURI().toURL();
            var claims = new IDTokenValidator(new Issuer(Use.ISSUER), new ClientID(id), algorithm, keys)
                .validate(tokens.getOIDCTokens().getIDToken(), nonce);
            var about = UserInfoResponse.parse(show(tokens.getTokens().getAccessToken())).toSuccessResponse().getUserInfo();
            Use.check(claims.getSubject().equals(about.getSubject()), about.toJSONObject());
            Use.check(about.getStringListClaim("groups").contains("admin"), about.toJSONObject());

            var refreshed = ask(new RefreshTokenGrant(tokens.getTokens().getRefreshToken()));
            var last = refreshed.getTokens().getRefreshToken();
            var revocation = authentication == null
                ? new TokenRevocationRequest(provider.getRevocationEndpointURI(), new ClientID(id), last)
                : new TokenRevocationRequest(provider.getRevocationEndpointURI(), authentication.make(), last);
            Use.check(revocation.toHTTPRequest().send().indicatesSuccess(), "it cannot be revoked");
            var after = TokenResponse.parse(send(new RefreshTokenGrant(last)));
            Use.check("invalid_grant".equals(after.toErrorResponse().getErrorObject().getCode()), "it lives");
        }

        private AuthenticationRequest pushed(AuthenticationRequest request) throws Exception {
            var asked = new PushedAuthorizationRequest(
                provider.getPushedAuthorizationRequestEndpointURI(), authentication.make(), request);
            var answer = PushedAuthorizationResponse.parse(asked.toHTTPRequest().send());
            Use.check(answer.indicatesSuccess(), "it cannot be pushed");
            return new AuthenticationRequest.Builder(answer.toSuccessResponse().getRequestURI(), new ClientID(id))
                .endpointURI(provider.getAuthorizationEndpointURI()).build();
        }

        private OIDCTokenResponse ask(AuthorizationGrant grant) throws Exception {
            var answer = OIDCTokenResponseParser.parse(send(grant));
            Use.check(answer.indicatesSuccess(), answer.toHTTPResponse().getBody());
            return (OIDCTokenResponse) answer.toSuccessResponse();
        }

        private HTTPResponse send(AuthorizationGrant grant) throws Exception {
            Nonce heard = null;
            while (true) {
                var builder = authentication == null
                    ? new TokenRequest.Builder(provider.getTokenEndpointURI(), new ClientID(id), grant)
                    : new TokenRequest.Builder(provider.getTokenEndpointURI(), authentication.make(), grant);
                HTTPRequest request = builder.build().toHTTPRequest();
                if (holder != null) request.setDPoP(holder.createDPoPJWT("POST", provider.getTokenEndpointURI(), heard));
                var answer = request.send();
                if (heard != null || holder == null || answer.getDPoPNonce() == null || answer.indicatesSuccess()) return answer;
                heard = answer.getDPoPNonce();
            }
        }

        private HTTPResponse show(AccessToken token) throws Exception {
            var place = provider.getUserInfoEndpointURI();
            Nonce heard = null;
            while (true) {
                HTTPRequest request = new UserInfoRequest(place, token).toHTTPRequest();
                if (holder != null) request.setDPoP(holder.createDPoPJWT("GET", place, token, heard));
                var answer = request.send();
                if (heard != null || holder == null || answer.indicatesSuccess()) return answer;
                heard = answer.getDPoPNonce();
            }
        }
    }

    // What Spring Security does for `oauth2Login`: discovery, the code, the ID token with its nonce, userinfo.
    static void withSpring() throws Exception {
        var id = register("web", CALLBACK, Map.of());
        var registration = ClientRegistrations.fromIssuerLocation(Use.ISSUER).registrationId("keyfob").clientId(id)
            .clientSecret(Use.secretOf(id)).redirectUri(CALLBACK).scope("openid", "profile", "email", "groups").build();
        var verifier = new CodeVerifier().getValue();
        var nonce = new Nonce().getValue();
        var request = OAuth2AuthorizationRequest.authorizationCode()
            .authorizationUri(registration.getProviderDetails().getAuthorizationUri()).clientId(id).redirectUri(CALLBACK)
            .scopes(registration.getScopes()).state(new State().getValue())
            .attributes(Map.of("code_verifier", verifier, "nonce", nonce, "registration_id", "keyfob"))
            .additionalParameters(Map.of("nonce", hashOf(nonce), "code_challenge", hashOf(verifier), "code_challenge_method", "S256"))
            .build();
        var came = AuthenticationResponseParser.parse(person().visit(URI.create(request.getAuthorizationRequestUri()), CALLBACK));
        var answer = OAuth2AuthorizationResponse.success(came.toSuccessResponse().getAuthorizationCode().getValue())
            .redirectUri(CALLBACK).state(came.getState().getValue()).build();
        var signedIn = (OAuth2LoginAuthenticationToken) new OidcAuthorizationCodeAuthenticationProvider(
                new RestClientAuthorizationCodeTokenResponseClient(), new OidcUserService())
            .authenticate(new OAuth2LoginAuthenticationToken(registration, new OAuth2AuthorizationExchange(request, answer)));
        var user = (OidcUser) signedIn.getPrincipal();
        Use.check(EMAIL.equals(user.getEmail()) && user.getUserInfo() != null, user.getClaims());
        Use.check(user.getClaimAsStringList("groups").contains("admin"), user.getClaims());
    }

    static String hashOf(String text) throws Exception {
        var digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes("US-ASCII"));
        return Base64.getUrlEncoder().withoutPadding().encodeToString(digest);
    }
}
