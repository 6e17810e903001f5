// Services that get, introspect and revoke tokens with Nimbus' SDK and with Spring Security.
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.oauth2.sdk.AccessTokenResponse;
import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenErrorResponse;
import com.nimbusds.oauth2.sdk.TokenIntrospectionRequest;
import com.nimbusds.oauth2.sdk.TokenIntrospectionResponse;
import com.nimbusds.oauth2.sdk.TokenIntrospectionSuccessResponse;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.TokenRevocationRequest;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.ClientSecretPost;
import com.nimbusds.oauth2.sdk.auth.PrivateKeyJWT;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.PrivateKey;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import net.minidev.json.JSONObject;
import org.springframework.security.oauth2.client.endpoint.OAuth2ClientCredentialsGrantRequest;
import org.springframework.security.oauth2.client.endpoint.RestClientClientCredentialsTokenResponseClient;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.core.OAuth2AuthorizationException;
import org.springframework.security.oauth2.core.endpoint.OAuth2AccessTokenResponse;

class Use {
    static final String ISSUER = System.getenv("KEYFOB_URL");
    static final String ORDERS = "https://orders.java.example.com";
    static final HttpClient HTTP = HttpClient.newHttpClient(); // offers h2c, as Java does
    static String bearer = "";
    static AuthorizationServerMetadata metadata;

    public static void main(String... none) throws Exception {
        var login = Map.of("email", "admin@example.com", "password", System.getenv("KEYFOB_ADMIN_PASSWORD"));
        bearer = "Bearer " + post("login", login).get("access_token");
        post("admin/resources", Map.of("identifier", ORDERS, "name", "Orders", "scopes", Map.of("orders:read", Map.of())));
        metadata = AuthorizationServerMetadata.resolve(new Issuer(ISSUER));

        var basic = register(Map.of());
        var secret = new Secret(secretOf(basic));
        useNimbus(basic, () -> new ClientSecretBasic(new ClientID(basic), secret));
        var posting = register(Map.of("auth_method", "client_secret_post"));
        var posted = new Secret(secretOf(posting));
        useNimbus(posting, () -> new ClientSecretPost(new ClientID(posting), posted));
        ECKey key = new ECKeyGenerator(Curve.P_256).keyID("one").algorithm(JWSAlgorithm.ES256).generate();
        var signing = register(Map.of(
            "auth_method", "private_key_jwt", "jwks", new JWKSet(key.toPublicJWK()).toJSONObject()));
        useNimbus(signing, () -> new PrivateKeyJWT(
            new ClientID(signing), URI.create(ISSUER), JWSAlgorithm.ES256, (PrivateKey) key.toECPrivateKey(), "one", null));

        useSpring(basic, secretOf(basic), ClientAuthenticationMethod.CLIENT_SECRET_BASIC);
        useSpring(posting, secretOf(posting), ClientAuthenticationMethod.CLIENT_SECRET_POST);
        SignIn.all();
    }

    // An assertion is good for one request, so each request makes its own.
    interface Authentication {
        ClientAuthentication make() throws Exception;
    }

    static void useNimbus(String id, Authentication authentication) throws Exception {
        TokenResponse answer = ask(authentication, "orders:read", ORDERS);
        check(answer.indicatesSuccess(), answer);
        AccessTokenResponse granted = answer.toSuccessResponse();
        AccessToken token = granted.getTokens().getAccessToken();
        check("orders:read".equals(token.getScope().toString()), token.getScope());

        TokenIntrospectionSuccessResponse told = introspect(authentication, token);
        check(told.isActive() && id.equals(told.getClientID().getValue()), told.toJSONObject());
        var ended = new TokenRevocationRequest(metadata.getRevocationEndpointURI(), authentication.make(), token);
        check(ended.toHTTPRequest().send().indicatesSuccess(), "the revocation was refused");
        check(!introspect(authentication, token).isActive(), "a revoked token is active");

        TokenErrorResponse refused = ask(authentication, "orders:read", "https://other.example.com").toErrorResponse();
        check("invalid_target".equals(refused.getErrorObject().getCode()), refused.toJSONObject());
        refused = ask(authentication, "orders:write", ORDERS).toErrorResponse();
        check("invalid_scope".equals(refused.getErrorObject().getCode()), refused.toJSONObject());
    }

    static TokenResponse ask(Authentication authentication, String scope, String resource) throws Exception {
        var request = new TokenRequest.Builder(
                metadata.getTokenEndpointURI(), authentication.make(), new ClientCredentialsGrant())
            .scope(Scope.parse(scope)).resource(URI.create(resource)).build();
        return TokenResponse.parse(request.toHTTPRequest().send());
    }

    static TokenIntrospectionSuccessResponse introspect(Authentication authentication, AccessToken token) throws Exception {
        var request = new TokenIntrospectionRequest(metadata.getIntrospectionEndpointURI(), authentication.make(), token);
        return TokenIntrospectionResponse.parse(request.toHTTPRequest().send()).toSuccessResponse();
    }

    static void useSpring(String id, String secret, ClientAuthenticationMethod method) {
        var token = spring(id, secret, method);
        check(token.getAccessToken().getScopes().contains("orders:read"), token.getAccessToken().getScopes());
        try {
            spring(id, "wrong%secret", method);
            throw new AssertionError("a wrong secret was believed");
        } catch (OAuth2AuthorizationException refused) {
            // Spring reads the OAuth error of a 400; of a 401 it keeps the text.
            check(refused.getMessage().contains("\"invalid_client\""), refused.getMessage());
        }
    }

    static OAuth2AccessTokenResponse spring(
            String id, String secret, ClientAuthenticationMethod method) {
        var registration = ClientRegistration.withRegistrationId("keyfob").clientId(id).clientSecret(secret)
            .clientAuthenticationMethod(method).authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
            .scope("orders:read").tokenUri(ISSUER + "/oauth2/token").build();
        return new RestClientClientCredentialsTokenResponseClient()
            .getTokenResponse(new OAuth2ClientCredentialsGrantRequest(registration));
    }

    static String register(Map<String, Object> more) throws Exception {
        var fields = new HashMap<String, Object>(Map.of(
            "name", "Reports", "resources", List.of(ORDERS), "scope", List.of("orders:read")));
        fields.putAll(more);
        return (String) post("admin/clients", fields).get("id");
    }

    static String secretOf(String id) throws Exception {
        return (String) post("admin/clients/" + id + "/secrets", Map.of()).get("client_secret");
    }

    static JSONObject post(String path, Map<String, ?> body) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(ISSUER + "/" + path))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(new JSONObject(body).toString()));
        if (!bearer.isEmpty()) request.header("Authorization", bearer);
        var answer = HTTP.send(request.build(), HttpResponse.BodyHandlers.ofString());
        check(answer.statusCode() < 300, path + ": " + answer.statusCode() + " " + answer.body());
        return JSONObjectUtils.parse(answer.body());
    }

    static void check(boolean holds, Object otherwise) {
        if (!holds) throw new AssertionError(otherwise);
    }
}
