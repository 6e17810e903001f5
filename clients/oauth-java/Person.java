import java.net.HttpCookie;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

// A person with a browser, as far as forms go: signs in, and allows an app what it asks for.
class Person {
    private static final Pattern HIDDEN = Pattern.compile("<input type=\"hidden\" name=\"([\\w-]+)\" value=\"([^\"]*)\"");
    private static final Pattern ONWARD = Pattern.compile("http-equiv=\"refresh\" content=\"0;url=([^\"]*)\"");

    private final HttpClient browser = HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NEVER).build();
    private final Map<String, String> cookies = new LinkedHashMap<>(); // Java's own manager keeps none of localhost
    private final String email;
    private final String password;

    Person(String email, String password) {
        this.email = email;
        this.password = password;
    }

    // Go where an app sends one; return the address at the app to which one comes back.
    URI visit(URI asked, String callback) throws Exception {
        URI here = asked;
        Map<String, String> form = null;
        while (!here.toString().startsWith(callback)) {
            var answer = ask(here, form);
            form = null;
            if (answer.statusCode() == 303) {
                here = here.resolve(answer.headers().firstValue("Location").orElseThrow());
                continue;
            }
            Use.check(answer.statusCode() == 200, answer.body());
            var onward = ONWARD.matcher(answer.body());
            if (onward.find()) {
                here = here.resolve(plain(onward.group(1)));
                continue;
            }
            form = new LinkedHashMap<>();
            for (var field = HIDDEN.matcher(answer.body()); field.find(); ) form.put(field.group(1), plain(field.group(2)));
            if (here.getPath().endsWith("/ui/sign-in")) form.putAll(Map.of("email", email, "password", password));
            else if (here.getPath().endsWith("/ui/authorize")) form.put("decision", "allow");
            else throw new AssertionError("a page that asks for something else: " + here);
            here = here.resolve(here.getPath());
        }
        return here;
    }

    private HttpResponse<String> ask(URI here, Map<String, String> form) throws Exception {
        var request = HttpRequest.newBuilder(here).header("Sec-Fetch-Site", "same-origin");
        if (!cookies.isEmpty()) {
            request.header("Cookie", cookies.entrySet().stream().map(one -> one.getKey() + "=" + one.getValue()).collect(Collectors.joining("; ")));
        }
        if (form != null) {
            var body = form.entrySet().stream().map(one -> one.getKey() + "=" + coded(one.getValue())).collect(Collectors.joining("&"));
            request.header("Content-Type", "application/x-www-form-urlencoded").POST(HttpRequest.BodyPublishers.ofString(body));
        }
        var answer = browser.send(request.build(), HttpResponse.BodyHandlers.ofString());
        for (var line : answer.headers().allValues("Set-Cookie")) {
            for (var cookie : HttpCookie.parse(line)) cookies.put(cookie.getName(), cookie.getValue());
        }
        return answer;
    }

    private static String coded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    private static String plain(String text) {
        return text.replace("&#39;", "'").replace("&#34;", "\"").replace("&quot;", "\"").replace("&amp;", "&");
    }
}
